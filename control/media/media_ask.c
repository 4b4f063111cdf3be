// Questions of the admin side: what the dataplane answers goes to who asked.
#include "media_private.h"

static int ask(struct media *media, const struct media_request *request)
{
	return media_link_send(media->link, request, NULL, NULL);
}

int media_get(struct media *media, const struct sl_id *id, media_answer_fn *fn, void *arg)
{
	return ask(media,
		&(struct media_request){.type = SL_SESSION_GET, .id = *id, .fn = fn, .arg = arg});
}

int media_list(struct media *media, media_answer_fn *fn, void *arg)
{
	return ask(media, &(struct media_request){.type = SL_SESSION_LIST, .fn = fn, .arg = arg});
}

int media_stats(struct media *media, media_answer_fn *fn, void *arg)
{
	return ask(media, &(struct media_request){.type = SL_STATS_GET, .fn = fn, .arg = arg});
}

int media_codecs(struct media *media, media_answer_fn *fn, void *arg)
{
	return ask(media, &(struct media_request){.type = SL_CODECS_GET, .fn = fn, .arg = arg});
}

int media_session_dtmf(
	struct media_session *session, const struct sl_dtmf *dtmf, media_answer_fn *fn, void *arg)
{
	struct media_request request = {.type = SL_DTMF, .dtmf = *dtmf, .fn = fn, .arg = arg};
	int err = media_session_set_now(session);

	request.id = request.dtmf.id = session->id;
	return err ? err : ask(session->media, &request);
}

int media_profile(struct media *media, bool on, media_answer_fn *fn, void *arg)
{
	return ask(
		media, &(struct media_request){.type = SL_PROFILE, .on = on, .fn = fn, .arg = arg});
}
