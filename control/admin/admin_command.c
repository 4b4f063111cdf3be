// The commands of the admin socket. Those that ask the dataplane answer when it does: until then
// the question holds what is known so far, and is freed by its last answer.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_private.h"
#include "call.h"
#include "cluster_show.h"
#include "media.h"
#include "stack.h"
#include "transport.h"
#include "ulid.h"

static const char *text_of(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? text : "";
}

static struct admin_question *question_open(struct admin_connection *connection, json_t *result)
{
	struct admin_question *question = calloc(1, sizeof(*question));

	if (!question) {
		json_decref(result);
		admin_answer(connection, NULL);
		return NULL;
	}
	question->connection = connection;
	question->result = result;
	connection->question = question;
	return question;
}

// Answer with what the question has gathered, or refuse where `error` says why.
static void question_close(struct admin_question *question, const char *error)
{
	if (!question->connection)
		json_decref(question->result);
	else if (error) {
		json_decref(question->result);
		admin_refuse(question->connection, "%s", error);
	} else {
		admin_answer(question->connection, question->result);
	}
	free(question);
}

// media_*() returned `rc`: where it is an error, no answer will come.
static void question_sent(struct admin_question *question, int rc)
{
	if (rc == -ENOTCONN)
		question_close(question, "the dataplane is not there");
	else if (rc)
		question_close(question, strerror(-rc));
}

static const char *answer_error(const struct sl_message *message)
{
	if (!message)
		return "the connection to the dataplane was lost";
	if (message->status)
		return message->status == -ENOENT ? "the dataplane has no such session"
						  : strerror(-message->status);
	return NULL;
}

json_t *status_json(const struct admin *admin)
{
	const struct calls_counters *calls = calls_counters(admin->settings.calls);
	struct sip_stack *stack = calls_stack(admin->settings.calls);
	struct stack_overload overload;
	struct media_status media;
	json_t *result;

	media_status_get(calls_media(admin->settings.calls), &media);
	result = json_pack("{s:s, s:s, s:i, s:I, s:b}", "node", admin->settings.node, "version",
		SLUICE_VERSION, "pid", (int)getpid(), "uptime_ms",
		(json_int_t)(admin_now_ms() - admin->started_ms), "draining",
		calls_are_draining(admin->settings.calls));
	json_object_set_new(result, "dataplane",
		json_pack("{s:b, s:i, s:i, s:i, s:i, s:i}", "up", media.up, "sessions",
			(int)media.n_sessions, "connects", (int)media.n_connects, "restored",
			(int)media.n_restored, "adopted", (int)media.n_adopted, "orphans_deleted",
			(int)media.n_orphans_deleted));
	json_object_set_new(result, "calls",
		json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "active",
			(int)calls->active_now, "invites", (json_int_t)calls->invites, "answered",
			(json_int_t)calls->answered, "refused", (json_int_t)calls->refused,
			"recovered", (json_int_t)calls->recovered, "media_timeouts",
			(json_int_t)calls->media_timeouts, "cdrs", (json_int_t)calls->cdrs,
			"cdr_errors", (json_int_t)calls->cdr_errors));
	json_object_set_new(result, "requests",
		json_pack("{s:i, s:I, s:I}", "active", (int)calls->requests_now, "relayed",
			(json_int_t)calls->requests_relayed, "refused",
			(json_int_t)calls->requests_refused));
	json_object_set_new(result, "subscriptions",
		json_pack("{s:i, s:I, s:I}", "active", (int)calls->subscriptions_now, "begun",
			(json_int_t)calls->subscriptions_begun, "notifies",
			(json_int_t)calls->notifies_relayed));
	stack_overload_get(stack, &overload);
	json_object_set_new(result, "overload",
		json_pack("{s:b, s:I, s:I, s:I, s:I}", "now", overload.now, "waiting",
			(json_int_t)overload.waiting, "waits_ms", (json_int_t)overload.waits_ms,
			"refused", (json_int_t)stack_counters(stack)->shed, "receive_overruns",
			(json_int_t)transport_counters(stack_transport(stack))->receive_overruns));
	if (admin->settings.cluster)
		json_object_set_new(result, "cluster", cluster_json(admin->settings.cluster));
	return result;
}

static void show_status(struct admin_connection *connection, const json_t *)
{
	admin_answer(connection, status_json(connection->admin));
}

static void list_calls(struct admin_connection *connection, const json_t *)
{
	admin_answer(connection, calls_list(connection->admin->settings.calls));
}

// The call that the request names; refuses it where there is none.
static struct call *find_call(struct admin_connection *connection, const json_t *request)
{
	const char *id = text_of(request, "id");
	struct call *call = call_find(connection->admin->settings.calls, id);

	if (!call)
		admin_refuse(connection, "there is no call %s", id);
	return call;
}

static void on_call_session(void *arg, const struct sl_message *message)
{
	struct admin_question *question = arg;
	const struct sl_session_report *report =
		message && !message->status ? sl_payload_report(message, NULL) : NULL;

	if (report)
		json_object_set_new(question->result, "session", session_json(report));
	if (!message || !message->more)
		question_close(question, NULL);
}

// The call is worth showing without the dataplane too.
static void show_call(struct admin_connection *connection, const json_t *request)
{
	struct call *call = find_call(connection, request);
	struct admin_question *question;

	if (!call)
		return;
	question = question_open(connection, call_describe(call));
	if (!question)
		return;
	json_object_set_new(question->result, "session", json_null());
	if (media_get(calls_media(connection->admin->settings.calls), call_session_id(call),
		    on_call_session, question))
		question_close(question, NULL);
}

static void hang_up(struct admin_connection *connection, const json_t *request)
{
	struct call *call = find_call(connection, request);

	if (!call)
		return;
	log_info(&log_admin, "hangup", "call=%s", text_of(request, "id"));
	call_hangup(call);
	admin_answer(connection, json_object());
}

static void on_sessions(void *arg, const struct sl_message *message)
{
	struct admin_question *question = arg;
	const struct sl_session_report *report;

	if (message && !message->status && message->payload_length) {
		report = sl_payload_report(message, NULL);
		if (report)
			json_array_append_new(question->result, session_json(report));
	}
	if (!message || !message->more)
		question_close(question, answer_error(message));
}

static void list_sessions(struct admin_connection *connection, const json_t *)
{
	struct admin_question *question = question_open(connection, json_array());

	if (question)
		question_sent(question, media_list(calls_media(connection->admin->settings.calls),
						on_sessions, question));
}

static void on_session(void *arg, const struct sl_message *message)
{
	struct admin_question *question = arg;
	const char *error = answer_error(message);
	const struct sl_session_report *report = error ? NULL : sl_payload_report(message, NULL);

	if (report)
		question->result = session_json(report);
	question_close(question, error);
}

static void show_session(struct admin_connection *connection, const json_t *request)
{
	const char *text = text_of(request, "id");
	struct admin_question *question;
	struct ulid ulid;
	struct sl_id id;

	if (ulid_parse(text, strlen(text), &ulid)) {
		admin_refuse(
			connection, "expected the id of a session, 26 characters, not '%s'", text);
		return;
	}
	memcpy(id.bytes, ulid.bytes, sizeof(id.bytes));
	question = question_open(connection, NULL);
	if (question)
		question_sent(question, media_get(calls_media(connection->admin->settings.calls),
						&id, on_session, question));
}

static void add_counter(void *arg, const char *name, uint64_t value)
{
	const struct admin_question *question = arg;

	if (!strncmp(name, question->prefix, strlen(question->prefix)))
		json_object_set_new(question->result, name, json_integer((json_int_t)value));
}

static void on_counters(void *arg, const struct sl_message *message)
{
	counters_read(message, add_counter, arg);
	if (!message || !message->more)
		question_close(arg, answer_error(message));
}

static void ask_counters(struct admin_connection *connection, json_t *result, const char *prefix)
{
	struct admin_question *question = question_open(connection, result);

	if (!question)
		return;
	question->prefix = prefix;
	question_sent(question,
		media_stats(calls_media(connection->admin->settings.calls), on_counters, question));
}

static void show_counters(struct admin_connection *connection, const json_t *)
{
	ask_counters(connection, own_counters(&connection->admin->settings), "");
}

static void show_ports(struct admin_connection *connection, const json_t *)
{
	ask_counters(connection, json_object(), "port.");
}

static void show_transcoders(struct admin_connection *connection, const json_t *)
{
	ask_counters(connection, json_object(), "transcoder.");
}

static void show_drops(struct admin_connection *connection, const json_t *)
{
	ask_counters(connection, json_object(), "drop.");
}

static void on_codecs(void *arg, const struct sl_message *message)
{
	struct admin_question *question = arg;
	const struct sl_codec *codecs = NULL;
	size_t n = 0;

	if (message && !message->status)
		codecs = sl_payload_codecs(message, &n);
	for (size_t i = 0; codecs && i < n; i++)
		json_array_append_new(question->result, codec_json(&codecs[i]));
	if (!message || !message->more)
		question_close(question, answer_error(message));
}

static void list_codecs(struct admin_connection *connection, const json_t *)
{
	struct admin_question *question = question_open(connection, json_array());

	if (question)
		question_sent(question, media_codecs(calls_media(connection->admin->settings.calls),
						on_codecs, question));
}

static void on_profile(void *arg, const struct sl_message *message)
{
	struct admin_question *question = arg;
	json_t *counters = question->result;

	counters_read(message, add_counter, question);
	if (message && message->more)
		return;
	question->result = profile_json(counters);
	json_decref(counters);
	question_close(question, answer_error(message));
}

static void on_profile_set(void *arg, const struct sl_message *message)
{
	question_close(arg, answer_error(message));
}

// {"set": "on"} or "off"; without it what has been counted.
static void show_profile(struct admin_connection *connection, const json_t *request)
{
	struct media *media = calls_media(connection->admin->settings.calls);
	const char *set = text_of(request, "set");
	struct admin_question *question;

	if (*set && strcmp(set, "on") != 0 && strcmp(set, "off") != 0) {
		admin_refuse(connection, "expected on or off, not '%s'", set);
		return;
	}
	question = question_open(connection, json_object());
	if (!question)
		return;
	question->prefix = "worker.";
	question_sent(
		question, *set ? media_profile(media, !strcmp(set, "on"), on_profile_set, question)
			       : media_stats(media, on_profile, question));
}

static void list_trunks(struct admin_connection *connection, const json_t *)
{
	const struct trunks *trunks = calls_trunks(connection->admin->settings.calls);
	json_t *list = json_array();

	for (size_t i = 0; i < trunks->n; i++)
		json_array_append_new(list, trunk_json(&trunks->list[i]));
	admin_answer(connection, list);
}

static void show_cluster(struct admin_connection *connection, const json_t *)
{
	const struct cluster *cluster = connection->admin->settings.cluster;

	if (cluster)
		admin_answer(connection, cluster_json(cluster));
	else
		admin_refuse(connection, "this node is in no cluster");
}

static void reload(struct admin_connection *connection, const json_t *)
{
	const struct admin_settings *settings = &connection->admin->settings;
	char restart[ADMIN_RELOAD_SIZE] = "", error[ADMIN_RELOAD_SIZE] = "";

	if (!settings->reload)
		admin_refuse(connection, "there is no configuration to read");
	else if (settings->reload(settings->reload_arg, restart, error))
		admin_refuse(connection, "%s", error);
	else
		admin_answer(connection, json_pack("{s:s}", "needs_restart", restart));
}

static void cdr_do(struct admin_connection *connection, const json_t *request)
{
	struct calls *calls = connection->admin->settings.calls;
	const char *what = text_of(request, "do");
	int err;

	if (strcmp(what, "rotate") && strcmp(what, "reopen")) {
		admin_refuse(connection, "expected rotate or reopen");
		return;
	}
	err = !strcmp(what, "rotate") ? calls_cdr_rotate(calls) : calls_cdr_reopen(calls);
	if (err)
		admin_refuse(connection, "%s",
			err == -ENOTSUP ? "CDRs are written to no file" : strerror(-err));
	else
		admin_answer(connection, json_object());
}

static void drain_set(struct admin_connection *connection, const struct admin_drain *how)
{
	const struct admin_settings *settings = &connection->admin->settings;
	char error[ADMIN_RELOAD_SIZE] = "";

	if (!settings->drain)
		admin_refuse(connection, "there is nothing that could drain");
	else if (settings->drain(settings->drain_arg, how, error))
		admin_refuse(connection, "%s", error);
	else
		admin_answer(connection, json_object());
}

static void drain(struct admin_connection *connection, const json_t *request)
{
	const struct admin_drain how = {.on = true,
		.leave = json_is_true(json_object_get(request, "leave")),
		.hand_over = json_is_true(json_object_get(request, "hand_over"))};

	drain_set(connection, &how);
}

static void undrain(struct admin_connection *connection, const json_t *)
{
	drain_set(connection, &(struct admin_drain){});
}

static void list_registrations(struct admin_connection *connection, const json_t *)
{
	admin_answer(connection, calls_registrations(connection->admin->settings.calls));
}

static void list_bindings(struct admin_connection *connection, const json_t *)
{
	admin_answer(connection, calls_bindings(connection->admin->settings.calls));
}

static void set_log(struct admin_connection *connection, const json_t *request)
{
	const char *module = text_of(request, "module"), *text = text_of(request, "level");
	enum log_level level;

	if (log_level_parse(text, &level))
		admin_refuse(connection, "expected error, warn, info or debug, not '%s'", text);
	else if (log_level_set(connection->admin->settings.log_modules, module, level))
		admin_refuse(connection, "there is no module '%s' that logs", module);
	else
		admin_answer(connection, json_object());
}

static const struct {
	const char *name;
	void (*execute)(struct admin_connection *connection, const json_t *request);
} commands[] = {
	{"status", show_status},
	{"calls", list_calls},
	{"call", show_call},
	{"sessions", list_sessions},
	{"session", show_session},
	{"counters", show_counters},
	{"ports", show_ports},
	{"drops", show_drops},
	{"transcoders", show_transcoders},
	{"profile", show_profile},
	{"cluster", show_cluster},
	{"trunks", list_trunks},
	{"registrations", list_registrations},
	{"bindings", list_bindings},
	{"codecs", list_codecs},
	{"trace", show_trace},
	{"messages", show_trace},
	{"reload", reload},
	{"drain", drain},
	{"undrain", undrain},
	{"cdr", cdr_do},
	{"hangup", hang_up},
	{"log", set_log},
};

void admin_execute(struct admin_connection *connection, const json_t *request)
{
	const char *name = text_of(request, "command");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name)) {
			commands[i].execute(connection, request);
			return;
		}
	admin_refuse(connection, "there is no command '%s'", name);
}
