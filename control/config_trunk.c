// The trunks of the configuration: their media policy, and what they are made of.
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

static const struct realm *find_realm(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_realms; i++)
		if (!strcmp(config->realms[i].name, name))
			return &config->realms[i];
	return NULL;
}

static int read_codecs(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct sdp_policy *policy)
{
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->codecs_count; i++) {
		struct sdp_encoding *encoding = &policy->codecs[i];

		check_where(where, "trunks[%u].codecs[%u]", number, i + 1);
		if (sdp_encoding_parse(from->codecs[i], encoding))
			return check_failed(check, where,
				"expected a codec, as PCMU, PCMA, G722, G729, opus, or "
				"NAME/CLOCK of another, not '%s'",
				from->codecs[i]);
		for (uint8_t j = 0; j < policy->n_codecs; j++)
			if (sdp_encoding_equal(&policy->codecs[j], encoding))
				return check_failed(check, where, "'%s' is in the list already",
					from->codecs[i]);
		policy->n_codecs++;
	}
	return 0;
}

static const struct config_words rtcp_mux_words = {
	{[SDP_MUX_NEVER] = "never", [SDP_MUX_ACCEPT] = "accept", [SDP_MUX_OFFER] = "offer"},
	"offer, accept or never"};
static const struct config_words srtp_words = {{[SDP_SRTP_NEVER] = "never",
						       [SDP_SRTP_OPTIONAL] = "optional",
						       [SDP_SRTP_REQUIRED] = "required"},
	"never, optional or required"};

static const struct config_words dtmf_words = {{[SDP_DTMF_NONE] = "none",
						       [SDP_DTMF_EVENTS] = "rfc4733",
						       [SDP_DTMF_AUTO] = "auto",
						       [SDP_DTMF_INBAND] = "inband",
						       [SDP_DTMF_INFO] = "info"},
	"auto, rfc4733, inband, info or none"};

int config_read_choice(const struct check *check, const char *where, const char *text,
	const struct config_words *words, uint8_t *out)
{
	for (uint8_t i = 0; i < CONFIG_WORDS_MAX && words->text[i]; i++) {
		if (!strcmp(text, words->text[i])) {
			*out = i;
			return 0;
		}
	}
	return check_failed(check, where, "expected %s, not '%s'", words->expected, text);
}

static int read_suites(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct sdp_policy *policy)
{
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->srtp_suites_count; i++) {
		enum sdp_suite suite = sdp_suite_find(from->srtp_suites[i]);

		check_where(where, "trunks[%u].srtp_suites[%u]", number, i + 1);
		if (suite == SDP_SUITE_NONE)
			return check_failed(check, where,
				"expected a suite of SRTP, as AEAD_AES_128_GCM or "
				"AES_CM_128_HMAC_SHA1_80, not '%s'",
				from->srtp_suites[i]);
		if (memchr(policy->suites, suite, policy->n_suites))
			return check_failed(
				check, where, "'%s' is in the list already", from->srtp_suites[i]);
		policy->suites[policy->n_suites++] = (uint8_t)suite;
	}
	return 0;
}

static const struct config_words jitter_words = {{[TRUNK_JITTER_NONE] = "none",
							 [TRUNK_JITTER_FIXED] = "fixed",
							 [TRUNK_JITTER_ADAPTIVE] = "adaptive"},
	"none, fixed or adaptive"};

#define JITTER_MIN_MS 10
#define JITTER_MAX_MS 500

static int read_jitter(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk_jitter *jitter)
{
	char where[CHECK_WHERE_SIZE];
	int rc = config_read_choice(check, check_where(where, "trunks[%u].jitter_buffer", number),
		from->jitter_buffer, &jitter_words, &jitter->buffer);

	if (!rc)
		rc = check_range(check, check_where(where, "trunks[%u].jitter_ms", number),
			*from->jitter_ms, JITTER_MIN_MS, JITTER_MAX_MS);
	if (!rc)
		rc = check_range(check, check_where(where, "trunks[%u].jitter_max_ms", number),
			*from->jitter_max_ms, *from->jitter_ms, JITTER_MAX_MS);
	jitter->ms = (uint16_t)*from->jitter_ms;
	jitter->max_ms = (uint16_t)*from->jitter_max_ms;
	return rc;
}

// Audio always is.
static int read_media(const struct check *check, const struct file_trunk *from, unsigned int number,
	struct sdp_policy *policy)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} kinds[] = {{"audio", 0}, {"video", SDP_RELAY_VIDEO}, {"text", SDP_RELAY_TEXT},
		{"image", SDP_RELAY_IMAGE}};
	char where[CHECK_WHERE_SIZE];
	bool audio = false;

	for (uint32_t i = 0; i < from->media_count; i++) {
		size_t k = 0;

		while (k < sizeof(kinds) / sizeof(kinds[0]) &&
			strcmp(kinds[k].name, from->media[i]))
			k++;
		if (k == sizeof(kinds) / sizeof(kinds[0]))
			return check_failed(check,
				check_where(where, "trunks[%u].media[%u]", number, i + 1),
				"expected audio, video, text or image (T.38), not '%s'",
				from->media[i]);
		policy->relays |= kinds[k].bit;
		audio = audio || k == 0;
	}
	return audio ? 0
		     : check_failed(check, check_where(where, "trunks[%u].media", number),
			       "there must be audio in it");
}

static int read_policy(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	if (*from->ptime % 10 || *from->ptime > 60)
		return check_failed(check, check_where(where, "trunks[%u].ptime", number),
			"expected 10, 20, 30, 40, 50 or 60 ms, or 0 for what the other leg has, "
			"not %u",
			*from->ptime);
	trunk->media.ptime_ms = (uint8_t)*from->ptime;
	trunk->media.dtx = from->dtx;
	trunk->logs_quality = from->quality_log;
	trunk->media.address_family = realm_media_family(trunk->realm);
	rc = config_read_choice(check, check_where(where, "trunks[%u].dtmf", number), from->dtmf,
		&dtmf_words, &trunk->media.dtmf);
	if (!rc)
		rc = config_read_choice(check, check_where(where, "trunks[%u].rtcp_mux", number),
			from->rtcp_mux, &rtcp_mux_words, &trunk->media.rtcp_mux);
	if (!rc)
		rc = config_read_choice(check, check_where(where, "trunks[%u].srtp", number),
			from->srtp, &srtp_words, &trunk->media.srtp);
	if (!rc)
		rc = read_suites(check, from, number, &trunk->media);
	if (!rc)
		rc = read_media(check, from, number, &trunk->media);
	if (!rc)
		rc = read_jitter(check, from, number, &trunk->jitter);
	return rc ? rc : read_codecs(check, from, number, &trunk->media);
}

static int read_trunk(const struct check *check, struct config *config,
	const struct file_trunk *from, unsigned int number)
{
	struct trunk *trunk = &config->trunks.list[number - 1];
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "trunks[%u].name", number);
	rc = check_name(check, where, from->name);
	if (rc)
		return rc;
	if (trunk_find(&config->trunks, from->name))
		return check_failed(check, where, "there is a trunk '%s' already", from->name);
	trunk->name = from->name;
	config->trunks.n++;
	trunk->realm = find_realm(config, from->realm);
	if (!trunk->realm)
		return check_failed(check, check_where(where, "trunks[%u].realm", number),
			"there is no realm '%s'", from->realm);
	rc = config_read_peers(check, config, from, number, trunk);
	if (!rc)
		rc = config_read_trunk_tls(check, from, number, trunk);
	if (!rc)
		rc = config_read_trunk_auth(check, from, number, trunk);
	if (!rc)
		rc = read_policy(check, from, number, trunk);
	if (!rc)
		rc = config_read_trunk_signalling(check, from, number, &trunk->signalling);
	if (!rc)
		rc = config_read_trunk_rules(check, from, number, trunk);
	if (!rc)
		rc = config_read_trunk_headers(check, from, number, trunk);
	if (!rc)
		rc = config_read_numbers(check, from->numbers, number, &trunk->numbers);
	return rc;
}

int config_read_trunks(const struct check *check, struct config *config)
{
	int rc = 0;

	config->trunks.list = calloc(config->file->trunks_count, sizeof(struct trunk));
	if (!config->trunks.list)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < config->file->trunks_count; i++)
		rc = read_trunk(check, config, &config->file->trunks[i], i + 1);
	return rc ? rc : config_read_forwards(check, config);
}
