// How many streams a core transcodes: the real engine (submit, turn, collect) against the codec
// library called in a bare loop on the same frames. Run by bench_transcode.
//
// Both play the same second of synthetic speech (deterministic, made here) for the same streams
// over and over, in turns. The time of a step (one frame of every stream) is the best of all
// rounds, which is what keeps a shared machine out of the result; thread CPU time, so waiting does
// not count.
#include <opus.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec.h"
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

// One frame of every stream, each way of writing it down.
static int16_t speech[N_STREAMS][N_STEPS][FRAME];
static struct payload pcmu[N_STREAMS][N_STEPS], opus[N_STREAMS][N_STEPS];

// What the bare loop reads: as warm in the cache as the engine's packets.
static int16_t staged_speech[N_STREAMS][FRAME];
static struct payload staged_opus[N_STREAMS];

static void *encoders[N_STREAMS], *decoders[N_STREAMS];
static struct transcode *engine;
static struct transcode_stream *streams[N_STREAMS];
static struct rte_mempool *pool;
static struct rte_mbuf *inputs[N_STREAMS];
static unsigned int n_outputs;

struct bench {
	const char *name;
	const struct payload (*in)[N_STEPS];
	const char *from, *to;
	void (*bare_step)(void);
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

static void bare_encode_step(void)
{
	unsigned char out[CODEC_FRAME_BYTES_MAX];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		if (opus_encode(encoders[s], staged_speech[s], FRAME, out, sizeof(out)) <= 0)
			fail("opus_encode");
	}
}

static void bare_decode_step(void)
{
	int16_t out[CODEC_FRAME_SAMPLES_MAX];

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		const struct payload *in = &staged_opus[s];

		if (opus_decode(decoders[s], in->bytes, in->n, out, CODEC_FRAME_SAMPLES_MAX, 0) !=
			FRAME)
			fail("opus_decode");
	}
}

static const struct bench benches[] = {
	{"pcmu-opus8-c5", pcmu, "PCMU", "opus", bare_encode_step},
	{"opus-pcmu", opus, "opus", "PCMU", bare_decode_step},
};

static const struct codec *find(const char *name)
{
	bool is_opus = strcmp(name, "opus") == 0;

	return codec_find(name, is_opus ? 48000 : 8000, is_opus ? 2 : 1);
}

static void encode(const struct codec *codec, void *state, const int16_t *pcm, struct payload *out)
{
	struct codec_encode_job job = {
		.state = state, .pcm = pcm, .n_samples = FRAME, .payload = out->bytes};

	codec->encode(&job, 1);
	if (job.n_bytes <= 0)
		fail("cannot encode the speech");
	out->n = (uint16_t)job.n_bytes;
}

static void states_init(void)
{
	const struct codec_params params = {.sample_hz = 8000,
		.channels = 1,
		.frame_ms = 20,
		.complexity = 5,
		.bitrate = BITRATE};
	const struct codec *codec = find("opus");

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		if (codec->encoder_init(encoders[s], &params) ||
			codec->decoder_init(decoders[s], &params))
			fail("cannot set up opus");
	}
}

static void material_create(void)
{
	for (unsigned int s = 0; s < N_STREAMS; s++) {
		encoders[s] = rte_malloc("encoder", find("opus")->encoder_size(), 64);
		decoders[s] = rte_malloc("decoder", find("opus")->decoder_size(), 64);
		if (!encoders[s] || !decoders[s])
			fail("no memory");
		speech_synthesise(speech[s][0], N_STEPS * FRAME, 8000, s);
	}
	states_init();
	for (unsigned int s = 0; s < N_STREAMS; s++) {
		for (unsigned int step = 0; step < N_STEPS; step++) {
			encode(find("PCMU"), NULL, speech[s][step], &pcmu[s][step]);
			encode(find("opus"), encoders[s], speech[s][step], &opus[s][step]);
		}
	}
	states_init();
}

static void engine_create(const struct bench *bench)
{
	const struct transcode_config config = {
		.n_workers = 1, .streams_max = N_STREAMS, .pool = pool};
	const struct transcode_spec spec = {.from = find(bench->from),
		.to = find(bench->to),
		.from_pt = 0,
		.to_pt = 1,
		.to_ptime_ms = 20,
		.dtmf_from_pt = TRANSCODE_NO_PT,
		.dtmf_to_pt = TRANSCODE_NO_PT,
		.complexity = 5,
		.bitrate = BITRATE};

	engine = transcode_create(&config);
	for (unsigned int s = 0; engine && s < N_STREAMS; s++)
		streams[s] = transcode_stream_create(engine, &spec, 0, streams);
	if (!engine || !streams[N_STREAMS - 1])
		fail("cannot create the engine");
}

// The frames of a step for the bare loop. Not timed.
static void staged_create(unsigned int step)
{
	for (unsigned int s = 0; s < N_STREAMS; s++) {
		memcpy(staged_speech[s], speech[s][step], sizeof(staged_speech[s]));
		memcpy(staged_opus[s].bytes, opus[s][step].bytes, opus[s][step].n);
		staged_opus[s].n = opus[s][step].n;
	}
}

// The packets of a step, as a worker would have them. Not timed.
static void inputs_create(const struct bench *bench, unsigned int step, uint32_t at)
{
	uint32_t ticks = find(bench->from)->clock_hz / 50;

	for (unsigned int s = 0; s < N_STREAMS; s++) {
		const struct payload *in = &bench->in[s][step];
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
	uint32_t at = 0;

	engine_create(bench);
	for (unsigned int round = 0; round < n_rounds; round++) {
		for (unsigned int step = 0; step < N_STEPS; step++) {
			staged_create(step);
			begun = cpu_ns();
			bench->bare_step();
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
	printf("{\"case\":\"%s\",\"engine_ns\":%.1f,\"bare_ns\":%.1f}\n", bench->name, engine_ns,
		bare_ns);
}

// One lcore, on the CPU that we happen to run on.
static void start(char *name)
{
	char lcores[32];
	char *arguments[] = {name, (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-shconf",
		(char *)"--no-telemetry", (char *)"-m", (char *)"128", lcores,
		(char *)"--log-level=error"};

	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", sched_getcpu());
	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0 || codecs_init())
		fail("cannot start");
}

int main(int argc, char **argv)
{
	int n_rounds = argc == 3 ? atoi(argv[2]) : 0;

	if (n_rounds < 1)
		fail("usage: transcode_bench CASE ROUNDS");
	start(argv[0]);
	pool = rte_pktmbuf_pool_create("bench", 1023, 128, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (!pool)
		fail("no memory");
	material_create();
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		if (strcmp(benches[i].name, argv[1]) == 0) {
			run(&benches[i], (unsigned int)n_rounds);
			return EXIT_SUCCESS;
		}
	}
	fail("no such case");
}
