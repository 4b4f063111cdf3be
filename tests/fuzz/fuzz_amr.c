// Any bytes as an AMR payload, in both bands and layouts (first octet of the input): what parses is
// built again to the same bytes but for padding, and the decoder takes it. The decoders go on from
// input to input, so that they see frames in any order.
#include <stdlib.h>
#include <string.h>

#include "amr_payload.h"
#include "codec_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void round_trip(const struct amr_layout *layout, const struct amr_payload *payload, size_t n)
{
	uint8_t built[1 + AMR_FRAMES_MAX * AMR_FRAME_BYTES_MAX];
	struct amr_payload again = {};

	check(amr_payload_build(layout, payload, built) == n);
	check(amr_payload_parse(layout, built, n, &again) == 0);
	check(memcmp(payload, &again, sizeof(again)) == 0);
}

static void decode(const struct codec *codec, bool octet_align, const uint8_t *data, uint16_t size)
{
	static void *states[2][2];
	void **state = &states[codec == &codec_amr_wb][octet_align];
	int16_t pcm[AMR_FRAMES_MAX * 320];
	struct codec_params params = {.sample_hz = codec->sample_rates[0],
		.channels = 1,
		.options.octet_align = octet_align};
	struct codec_decode_job job = {.payload = data,
		.n_bytes = size,
		.pcm = pcm,
		.n_samples = (uint16_t)(AMR_FRAMES_MAX * codec->sample_rates[0] / 50)};
	int expected = codec->payload_samples(data, size, &params);

	if (!*state) {
		*state = calloc(1, codec->decoder_size());
		check(*state && codec->decoder_init(*state, &params) == 0);
	}
	job.state = *state;
	codec->decode(&job, 1);
	check(job.n_decoded == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct amr_payload payload = {};
	struct amr_layout layout;

	if (size == 0 || size > 1500)
		return 0;
	layout = (struct amr_layout){data[0] & 1 ? AMR_WIDE : AMR_NARROW, data[0] & 2};
	if (amr_payload_parse(&layout, data + 1, size - 1, &payload) == 0)
		round_trip(&layout, &payload, size - 1);
	decode(data[0] & 1 ? &codec_amr_wb : &codec_amr, layout.octet_align, data + 1,
		(uint16_t)(size - 1));
	return 0;
}
