// What a trunk's SIP may do: the keys of dialogs.
#include <string.h>

#include "chars.h"
#include "config_check.h"
#include "config_file.h"
#include "config_private.h"
#include "session_expires.h"

#define SUBSCRIPTIONS_MAX  1000000
#define SUBSCRIPTION_MIN_S 60
#define SUBSCRIPTION_MAX_S 604800

static const struct config_words rel100_words = {{[TRUNK_100REL_NEVER] = "never",
							 [TRUNK_100REL_SUPPORTED] = "supported",
							 [TRUNK_100REL_REQUIRED] = "required"},
	"never, supported or required"};
static const struct config_words early_media_words = {
	{[TRUNK_EARLY_MEDIA_ALWAYS] = "always",
		[TRUNK_EARLY_MEDIA_AUTHORIZED] = "authorized",
		[TRUNK_EARLY_MEDIA_NEVER] = "never"},
	"always, authorized or never"};

static const struct config_words refresher_words = {{[TRUNK_REFRESHER_ANY] = "any",
							    [TRUNK_REFRESHER_US] = "us",
							    [TRUNK_REFRESHER_PEER] = "peer"},
	"any, us or peer"};

static const struct config_words refer_words = {{[TRUNK_REFER_HANDLE] = "handle",
							[TRUNK_REFER_REJECT] = "reject",
							[TRUNK_REFER_PASS] = "pass"},
	"handle, reject or pass"};

static const struct config_words refer_to_words = {
	{[TRUNK_REFER_TO_US] = "us", [TRUNK_REFER_TO_PEER] = "peer"}, "us or peer"};

static const struct config_words redirects_words = {{[TRUNK_REDIRECTS_REFUSE] = "refuse",
							    [TRUNK_REDIRECTS_FOLLOW] = "follow",
							    [TRUNK_REDIRECTS_PASS] = "pass"},
	"refuse, follow or pass"};

static int read_session_timer(const struct check *check, const struct file_session_timer *from,
	unsigned int number, struct trunk_session_timer *timer)
{
	char where[CHECK_WHERE_SIZE];
	int rc = check_range(check, check_where(where, "trunks[%u].session_timer.min", number),
		*from->min, SESSION_EXPIRES_MIN_S, SESSION_EXPIRES_MAX_S);

	if (!rc && *from->expires)
		rc = check_range(check,
			check_where(where, "trunks[%u].session_timer.expires", number),
			*from->expires, *from->min, SESSION_EXPIRES_MAX_S);
	if (!rc)
		rc = config_read_choice(check,
			check_where(where, "trunks[%u].session_timer.refresher", number),
			from->refresher, &refresher_words, &timer->refresher);
	timer->expires_s = *from->expires;
	timer->min_s = *from->min;
	return rc;
}

static int read_requests(const struct check *check, const struct file_trunk *from,
	unsigned int number, uint8_t *requests)
{
	static const char *const names[] = {
		"message", "publish", "notify", "subscribe"}; // TRUNK_REQUESTS_*
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->requests_count; i++) {
		size_t k = 0;

		while (k < sizeof(names) / sizeof(names[0]) && strcmp(names[k], from->requests[i]))
			k++;
		if (k == sizeof(names) / sizeof(names[0]))
			return check_failed(check,
				check_where(where, "trunks[%u].requests[%u]", number, i + 1),
				"expected message, publish, subscribe or notify, not '%s'",
				from->requests[i]);
		*requests |= (uint8_t)(1u << k);
	}
	return 0;
}

static const struct config_words hosts_words = {
	{[TRUNK_HOSTS_HIDE] = "hide", [TRUNK_HOSTS_PASS] = "pass"}, "hide or pass"};

static int read_subscriptions(const struct check *check, const struct file_subscriptions *from,
	unsigned int number, struct trunk_subscriptions *out)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	if (!from)
		return 0;
	out->max = *from->max;
	out->expires_max_s = *from->expires_max_s;
	out->events = (const char *const *)from->events;
	out->n_events = from->events_count;
	rc = check_range(check, check_where(where, "trunks[%u].subscriptions.max", number),
		out->max, 1, SUBSCRIPTIONS_MAX);
	if (!rc)
		rc = check_range(check,
			check_where(where, "trunks[%u].subscriptions.expires_max_s", number),
			out->expires_max_s, SUBSCRIPTION_MIN_S, SUBSCRIPTION_MAX_S);
	for (uint32_t i = 0; !rc && i < from->events_count; i++)
		if (!chars_are(slice_of(from->events[i]), CHAR_TOKEN))
			rc = check_failed(check,
				check_where(where, "trunks[%u].subscriptions.events[%u]", number,
					i + 1),
				"expected an event package, as presence, not '%s'",
				from->events[i]);
	return rc ? rc
		  : config_read_choice(check,
			    check_where(where, "trunks[%u].subscriptions.hosts", number),
			    from->hosts, &hosts_words, &out->hosts);
}

// Descriptions are always made anew, and parts are looked at one by one.
static bool is_body_type(const char *text)
{
	struct slice subtype = slice_of(text), type = slice_cut(&subtype, '/');

	return chars_are(type, CHAR_TOKEN) && chars_are(subtype, CHAR_TOKEN) &&
	       !slice_equal_nocase(slice_of(text), SLICE("application/sdp")) &&
	       !slice_equal_nocase(type, SLICE("multipart"));
}

static int read_bodies(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk_signalling *signalling)
{
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->bodies_count; i++)
		if (!is_body_type(from->bodies[i]))
			return check_failed(check,
				check_where(where, "trunks[%u].bodies[%u]", number, i + 1),
				"expected a type beside application/sdp and multipart, as "
				"application/isup, not '%s'",
				from->bodies[i]);
	signalling->bodies = (const char *const *)from->bodies;
	signalling->n_bodies = from->bodies_count;
	return 0;
}

int config_read_trunk_signalling(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk_signalling *signalling)
{
	char where[CHECK_WHERE_SIZE];
	int rc = config_read_choice(check, check_where(where, "trunks[%u].100rel", number),
		from->rel100, &rel100_words, &signalling->rel100);

	if (!rc)
		rc = config_read_choice(check, check_where(where, "trunks[%u].early_media", number),
			from->early_media, &early_media_words, &signalling->early_media);
	if (!rc)
		rc = config_read_choice(check, check_where(where, "trunks[%u].refer", number),
			from->refer, &refer_words, &signalling->refer);
	if (!rc && from->refer_to)
		rc = config_read_choice(check, check_where(where, "trunks[%u].refer_to", number),
			from->refer_to, &refer_to_words, &signalling->refer_to);
	if (!rc)
		rc = config_read_choice(check, check_where(where, "trunks[%u].redirects", number),
			from->redirects, &redirects_words, &signalling->redirects);
	if (!rc)
		rc = read_requests(check, from, number, &signalling->requests);
	if (!rc)
		rc = read_bodies(check, from, number, signalling);
	if (!rc)
		rc = read_subscriptions(
			check, from->subscriptions, number, &signalling->subscriptions);
	if (!rc)
		rc = read_session_timer(
			check, from->session_timer, number, &signalling->session_timer);
	return rc;
}
