// How many streams a core transcodes: the real engine (submit, turn, collect) against the codec
// library called in a bare loop on the same frames. Run by bench_transcode.
//
// Both play the same second of synthetic speech (deterministic, made here) for the same streams
// over and over, in turns. The time of a step (one frame of every stream) is the best of all
// rounds, which is what keeps a shared machine out of the result; thread CPU time, so waiting does
// not count.
#include <dlfcn.h>
#include <opencore-amrnb/interf_dec.h>
#include <opencore-amrnb/interf_enc.h>
#include <opencore-amrwb/dec_if.h>
#include <opus.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <sched.h>
#ifdef SLUICE_SPANDSP
#include <spandsp.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vo-amrwbenc/enc_if.h>

#include "codec_plugin.h"
#include "rtp.h"
#include "speech.h"
#include "transcode.h"

#define N_STREAMS 100
#define N_STEPS	  50 // frames of 20 ms
#define FRAME	  160
#define BITRATE	  24000
#define FRAME_NS  20000000ull

struct payload {
	uint8_t bytes[CODEC_FRAME_BYTES_MAX];
	uint16_t n;
};

// One frame of every stream, each way of writing it down: at 8 and 16 kHz, as PCMU, and in the
// codec that is measured.
static int16_t speech[N_STREAMS][N_STEPS][FRAME], wide_speech[N_STREAMS][N_STEPS][2 * FRAME];
static struct payload pcmu[N_STREAMS][N_STEPS], coded[N_STREAMS][N_STEPS];

// What the bare loop reads: as warm in the cache as the engine's packets.
static int16_t staged_speech[N_STREAMS][2 * FRAME];
static struct payload staged_coded[N_STREAMS];

static void *encoders[N_STREAMS], *decoders[N_STREAMS]; // the library's
static struct transcode *engine;
static struct transcode_stream *streams[N_STREAMS];
static struct rte_mempool *pool;
static struct rte_mbuf *inputs[N_STREAMS];
static unsigned int n_outputs;
static size_t direction_bytes; // of one stream, beyond its codecs' own state

// A library in a bare loop.
struct library {
	const char *codec;
	void (*open)(unsigned int stream);
	void (*encode_step)(void);
	void (*decode_step)(void);
};

struct bench {
	const char *name;
	const struct library *library;
	bool encodes; // PCMU to the codec; else back
};

static void fail(const char *what)
{
	fprintf(stderr, "transcode_bench: %s\n", what);
	exit(EXIT_FAILURE);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void opus_open(unsigned int s)
{
	encoders[s] = rte_zmalloc("encoder", (size_t)opus_encoder_get_size(1), 64);
	decoders[s] = rte_zmalloc("decoder", (size_t)opus_decoder_get_size(1), 64);
	if (!encoders[s] || !decoders[s] ||
		opus_encoder_init(encoders[s], 8000, 1, OPUS_APPLICATION_VOIP) != OPUS_OK ||
		opus_decoder_init(decoders[s], 8000, 1) != OPUS_OK)
		fail("cannot set up opus");
	opus_encoder_ctl(encoders[s], OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	opus_encoder_ctl(encoders[s], OPUS_SET_BITRATE(BITRATE));
	opus_encoder_ctl(encoders[s], OPUS_SET_COMPLEXITY(5));
}

static void opus_encode_step(void)
{
	unsigned char out[CODEC_FRAME_BYTES_MAX];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		if (opus_encode(encoders[s], staged_speech[s], FRAME, out, sizeof(out)) <= 0)
			fail("opus_encode");
	}
}

static void opus_decode_step(void)
{
	int16_t out[CODEC_FRAME_SAMPLES_MAX];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		const struct payload *in = &staged_coded[s];

		if (opus_decode(decoders[s], in->bytes, in->n, out, CODEC_FRAME_SAMPLES_MAX, 0) !=
			FRAME)
			fail("opus_decode");
	}
}

static void amr_open(unsigned int s)
{
	encoders[s] = Encoder_Interface_init(0);
	decoders[s] = Decoder_Interface_init();
}

static void amr_encode_step(void)
{
	unsigned char out[64];

	for (unsigned int s = 0; s < N_STREAMS; s++) // it may write to its input: fresh each step
		Encoder_Interface_Encode(encoders[s], MR122, staged_speech[s], out, 0);
}

// The only frame of an octet-aligned payload, behind its first octet, is as the library wants it.
static void amr_decode_step(void)
{
	int16_t out[FRAME];

	for (unsigned int s = 0; s < N_STREAMS; s++)
		Decoder_Interface_Decode(decoders[s], staged_coded[s].bytes + 1, out, 0);
}

static void amr_wb_open(unsigned int s)
{
	encoders[s] = E_IF_init();
	decoders[s] = D_IF_init();
}

static void amr_wb_encode_step(void)
{
	unsigned char out[64];

	for (unsigned int s = 0; s < N_STREAMS; s++)
		E_IF_encode(encoders[s], 2, staged_speech[s], out, 0);
}

static void amr_wb_decode_step(void)
{
	int16_t out[2 * FRAME];

	for (unsigned int s = 0; s < N_STREAMS; s++)
		D_IF_decode(decoders[s], staged_coded[s].bytes + 1, out, 0);
}

// bcg729 is GPL-3: not linked, but found where the plug-in has it from.
static struct {
	void *(*encoder_open)(uint8_t vad);
	void *(*decoder_open)(void);
	void (*encode)(void *, const int16_t *, uint8_t *, uint8_t *);
	void (*decode)(void *, const uint8_t *, uint8_t, uint8_t, uint8_t, uint8_t, int16_t *);
} bcg729;

static void *bcg729_symbol(const char *name)
{
	void *object = dlopen("libbcg729.so.0", RTLD_NOW);
	void *symbol = object ? dlsym(object, name) : NULL;

	if (!symbol)
		fail("no libbcg729");
	return symbol;
}

static void g729_open(unsigned int s)
{
	if (!bcg729.decode) {
		bcg729.encoder_open = bcg729_symbol("initBcg729EncoderChannel");
		bcg729.decoder_open = bcg729_symbol("initBcg729DecoderChannel");
		bcg729.encode = bcg729_symbol("bcg729Encoder");
		bcg729.decode = bcg729_symbol("bcg729Decoder");
	}
	encoders[s] = bcg729.encoder_open(0);
	decoders[s] = bcg729.decoder_open();
}

static void g729_encode_step(void)
{
	uint8_t out[10], n;

	for (unsigned int s = 0; s < N_STREAMS; s++)
		for (unsigned int at = 0; at < FRAME; at += 80)
			bcg729.encode(encoders[s], staged_speech[s] + at, out, &n);
}

static void g729_decode_step(void)
{
	int16_t out[80];

	for (unsigned int s = 0; s < N_STREAMS; s++)
		for (unsigned int at = 0; at < 20; at += 10)
			bcg729.decode(decoders[s], staged_coded[s].bytes + at, 10, 0, 0, 0, out);
}

static const struct library opus = {"opus", opus_open, opus_encode_step, opus_decode_step};
static const struct library amr = {"AMR", amr_open, amr_encode_step, amr_decode_step};
static const struct library amr_wb = {
	"AMR-WB", amr_wb_open, amr_wb_encode_step, amr_wb_decode_step};
static const struct library g729 = {"G729", g729_open, g729_encode_step, g729_decode_step};

// G.711 has no library: its own code, without the engine.
static void pcma_open(unsigned int s)
{
	const struct codec *codec = codec_find("PCMA", 8000, 1);

	encoders[s] = &staged_speech[s]; // it has no state
	decoders[s] = rte_zmalloc("decoder", codec->decoder_size(), 64);
}

static void pcma_encode_step(void)
{
	const struct codec *codec = codec_find("PCMA", 8000, 1);
	uint8_t out[FRAME];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		struct codec_encode_job job = {
			.pcm = staged_speech[s], .n_samples = FRAME, .payload = out};

		codec->encode(&job, 1);
	}
}

static void pcma_decode_step(void)
{
	const struct codec *codec = codec_find("PCMA", 8000, 1);
	int16_t out[FRAME];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		struct codec_decode_job job = {.state = decoders[s],
			.payload = staged_coded[s].bytes,
			.n_bytes = staged_coded[s].n,
			.pcm = out,
			.n_samples = FRAME};

		codec->decode(&job, 1);
	}
}

static const struct library pcma = {"PCMA", pcma_open, pcma_encode_step, pcma_decode_step};

#ifdef SLUICE_SPANDSP
// As for a G.711 far end: at 8,000 Hz.
static void g722_open(unsigned int s)
{
	encoders[s] = g722_encode_init(NULL, 64000, G722_SAMPLE_RATE_8000);
	decoders[s] = g722_decode_init(NULL, 64000, G722_SAMPLE_RATE_8000);
}

static void g722_encode_step(void)
{
	uint8_t out[CODEC_FRAME_BYTES_MAX];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		if (g722_encode(encoders[s], out, staged_speech[s], FRAME) != FRAME)
			fail("g722_encode");
	}
}

static void g722_decode_step(void)
{
	int16_t out[CODEC_FRAME_SAMPLES_MAX];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		const struct payload *in = &staged_coded[s];

		if (g722_decode(decoders[s], out, in->bytes, in->n) != FRAME)
			fail("g722_decode");
	}
}

static const struct library g722 = {"G722", g722_open, g722_encode_step, g722_decode_step};
#endif

static const struct bench benches[] = {
	{"pcmu-opus8-c5", &opus, true},
	{"opus-pcmu", &opus, false},
	{"pcmu-pcma", &pcma, true},
	{"pcma-pcmu", &pcma, false},
	{"pcmu-g729", &g729, true},
	{"g729-pcmu", &g729, false},
#ifdef SLUICE_SPANDSP
	{"pcmu-g722", &g722, true},
	{"g722-pcmu", &g722, false},
#endif
	{"pcmu-amr", &amr, true},
	{"amr-pcmu", &amr, false},
	{"pcmu-amrwb", &amr_wb, true},
	{"amrwb-pcmu", &amr_wb, false},
};

static const struct codec *find(const char *name)
{
	bool is_opus = strcmp(name, "opus") == 0, is_wide = strcmp(name, "AMR-WB") == 0;
	const struct codec *codec = codec_find(name,
		is_opus	  ? 48000
		: is_wide ? 16000
			  : 8000,
		is_opus ? 2 : 1);

	if (!codec)
		fail("no such codec: give the plug-in's file");
	return codec;
}

static bool is_wideband(const struct codec *codec)
{
	return codec->sample_rates[0] == 16000;
}

static void encode(const struct codec *codec, void *state, const int16_t *pcm, struct payload *out)
{
	struct codec_encode_job job = {.state = state,
		.pcm = pcm,
		.n_samples = is_wideband(codec) ? 2 * FRAME : FRAME,
		.payload = out->bytes};

	codec->encode(&job, 1);
	if (job.n_bytes <= 0)
		fail("cannot encode the speech");
	out->n = (uint16_t)job.n_bytes;
}

static void material_create(const struct bench *bench)
{
	const struct codec *codec = find(bench->library->codec);
	const struct codec_params params = {.sample_hz = codec->sample_rates[0],
		.channels = 1,
		.frame_ms = 20,
		.complexity = 5,
		.bitrate = bench->library == &opus ? BITRATE : 0,
		.options.octet_align = true};
	void *state = rte_zmalloc("encoder", codec->encoder_size() + 1, 64);

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		bench->library->open(s);
		speech_synthesise(speech[s][0], N_STEPS * FRAME, 8000, s);
		speech_synthesise(wide_speech[s][0], N_STEPS * 2 * FRAME, 16000, s);
		if (!encoders[s] || !decoders[s] || !state || codec->encoder_init(state, &params))
			fail("cannot set up the codec");
		for (unsigned int step = 0; step < N_STEPS; step++) {
			encode(find("PCMU"), NULL, speech[s][step], &pcmu[s][step]);
			encode(codec, state,
				is_wideband(codec) ? wide_speech[s][step] : speech[s][step],
				&coded[s][step]);
		}
	}
	if (codec->encoder_fini)
		codec->encoder_fini(state);
	rte_free(state);
}

static size_t allocated(void)
{
	struct rte_malloc_socket_stats stats = {};

	rte_malloc_get_socket_stats((int)rte_socket_id(), &stats);
	return stats.heap_allocsz_bytes;
}

static void engine_create(const struct bench *bench)
{
	const struct transcode_config config = {
		.n_workers = 1, .streams_max = N_STREAMS, .pool = pool};
	const struct codec *codec = find(bench->library->codec), *law = find("PCMU");
	const struct transcode_spec spec = {.from = bench->encodes ? law : codec,
		.to = bench->encodes ? codec : law,
		.from_pt = 0,
		.to_pt = 1,
		.to_ptime_ms = 20,
		.dtmf_from_pt = TRANSCODE_NO_PT,
		.dtmf_to_pt = TRANSCODE_NO_PT,
		.complexity = 5,
		.bitrate = bench->library == &opus ? BITRATE : 0,
		.from_options.octet_align = true,
		.to_options.octet_align = true};
	size_t before;

	engine = transcode_create(&config);
	before = allocated();
	for (unsigned int s = 0; engine && s < N_STREAMS; s++)
		streams[s] = transcode_stream_create(engine, &spec, 0, streams);
	if (!engine || !streams[N_STREAMS - 1])
		fail("cannot create the engine");
	direction_bytes = (allocated() - before) / N_STREAMS - spec.from->decoder_size() -
			  spec.to->encoder_size();
}

// The frames of a step for the bare loop. Not timed.
static void staged_create(const struct bench *bench, unsigned int step)
{
	bool is_wide = is_wideband(find(bench->library->codec));

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		if (is_wide)
			memcpy(staged_speech[s], wide_speech[s][step], 2 * FRAME * sizeof(int16_t));
		else
			memcpy(staged_speech[s], speech[s][step], FRAME * sizeof(int16_t));
		staged_coded[s] = coded[s][step];
	}
}

// The packets of a step, as a worker would have them. Not timed.
static void inputs_create(const struct bench *bench, unsigned int step, uint32_t at)
{
	const struct codec *from = find(bench->encodes ? "PCMU" : bench->library->codec);
	uint32_t ticks = from->clock_hz / 50;

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		const struct payload *in = bench->encodes ? &pcmu[s][step] : &coded[s][step];
		const struct rtp_view view = {
			.ssrc = s, .sequence = (uint16_t)at, .timestamp = at * ticks};
		uint8_t *data;

		inputs[s] = rte_pktmbuf_alloc(pool);
		if (!inputs[s])
			fail("no packet buffers");
		data = (uint8_t *)rte_pktmbuf_append(
			inputs[s], (uint16_t)(RTP_HEADER_BYTES + in->n));
		rtp_header_write(data, &view);
		memcpy(data + RTP_HEADER_BYTES, in->bytes, in->n);
	}
}

static void collect(void)
{
	struct rte_mbuf *packets[32];
	void *cookies[32];
	unsigned int n;

	while ((n = transcode_collect(engine, 0, packets, cookies, 32))) {
		n_outputs += n;
		rte_pktmbuf_free_bulk(packets, n);
	}
}

static void engine_step(uint32_t at)
{
	for (unsigned int s = 0; s < N_STREAMS; s++) {
		if (!transcode_submit(engine, 0, streams[s], inputs[s], at * FRAME_NS))
			fail("ring full");
	}
	while (transcode_turn(engine, 0, 64))
		collect();
	collect();
}

static void keep_best(uint64_t *best, uint64_t ns)
{
	if (*best == 0 || ns < *best)
		*best = ns;
}

static uint64_t sum(const uint64_t *best)
{
	uint64_t total = 0;

	for (unsigned int step = 0; step < N_STEPS; step++)
		total += best[step];
	return total;
}

static void run(const struct bench *bench, unsigned int n_rounds)
{
	uint64_t best_bare[N_STEPS] = {0}, best_engine[N_STEPS] = {0}, begun;
	double frames = (double)N_STREAMS * N_STEPS, bare_ns, engine_ns;
	void (*bare_step)(void);
	uint32_t at = 0;

	bare_step = bench->encodes ? bench->library->encode_step : bench->library->decode_step;
	engine_create(bench);
	for (unsigned int round = 0; round < n_rounds; round++) {
		for (unsigned int step = 0; step < N_STEPS; step++) {
			staged_create(bench, step);
			begun = cpu_ns();
			bare_step();
			keep_best(&best_bare[step], cpu_ns() - begun);
			inputs_create(bench, step, at);
			begun = cpu_ns();
			engine_step(at++);
			keep_best(&best_engine[step], cpu_ns() - begun);
		}
	}
	if (n_outputs != n_rounds * N_STEPS * N_STREAMS)
		fail("the engine lost packets");
	transcode_destroy(engine);
	bare_ns = (double)sum(best_bare) / frames;
	engine_ns = (double)sum(best_engine) / frames;
	printf("{\"case\":\"%s\",\"engine_ns\":%.1f,\"bare_ns\":%.1f,\"direction_bytes\":%zu}\n",
		bench->name, engine_ns, bare_ns, direction_bytes);
}

// One lcore, on the CPU that we happen to run on.
static void start(char *name, const char *plugin)
{
	char error[512];
	char lcores[32];
	char *arguments[] = {name, (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-shconf",
		(char *)"--no-telemetry", (char *)"-m", (char *)"128", lcores,
		(char *)"--log-level=error"};

	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", sched_getcpu());
	if (plugin && !codec_plugin_load(plugin, error, sizeof(error)))
		fail(error);
	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0 || codecs_init())
		fail("cannot start");
}

int main(int argc, char **argv)
{
	int n_rounds = argc == 3 || argc == 4 ? atoi(argv[2]) : 0;

	if (n_rounds < 1)
		fail("usage: transcode_bench CASE ROUNDS [PLUGIN]");
	start(argv[0], argc == 4 ? argv[3] : NULL);
	pool = rte_pktmbuf_pool_create("bench", 1023, 128, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (!pool)
		fail("no memory");
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		if (strcmp(benches[i].name, argv[1]) == 0) {
			material_create(&benches[i]);
			run(&benches[i], (unsigned int)n_rounds);
			return EXIT_SUCCESS;
		}
	}
	fail("no such case");
}
