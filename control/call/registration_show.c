// What others want to know of our registrations: which trunk a call came to, which way calls go,
// and, for people, how they stand.
#include "outside.h"
#include "registration.h"

static const char *const state_names[] = {[REGISTRATION_NONE] = "none",
	[REGISTRATION_ASKING] = "asking",
	[REGISTRATION_THERE] = "registered",
	[REGISTRATION_WAITING] = "waiting",
	[REGISTRATION_ENDING] = "ending"};

const struct trunk *registration_trunk(const struct owner *owner)
{
	return ((const struct registration *)owner)->trunk;
}

struct trunk *registrations_match(
	const struct registrations *registrations, const struct realm *realm, struct slice user)
{
	const struct registration *registration;

	if (!registrations || user.n != TOKEN_SIZE)
		return NULL;
	LIST_FOREACH (registration, &registrations->list, in_registrations)
		if (registration->trunk->realm == realm &&
			slice_equal(user, (struct slice){registration->user, TOKEN_SIZE}))
			return (struct trunk *)registration->trunk;
	return NULL;
}

struct slice registrations_route(
	const struct registrations *registrations, const struct trunk *trunk)
{
	const struct registration *registration;

	if (registrations && trunk->registration.user)
		LIST_FOREACH (registration, &registrations->list, in_registrations)
			if (registration->trunk == trunk && registration->route_size)
				return (struct slice){
					registration->route, registration->route_size};
	return (struct slice){};
}

static json_t *registration_json(const struct registration *registration)
{
	const struct trunk_registration *rules = &registration->trunk->registration;
	const struct target *target = registration_target(registration);
	uint64_t now_ms = now_realtime_ms();
	bool is_bound = registration->is_bound && registration->until_ms > now_ms;
	char address[ADDRESS_TEXT_SIZE] = "-";

	if (target)
		address_text((const struct sockaddr *)&target->address, address, sizeof(address));
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:b, s:s, s:i, s:I}", "trunk",
		registration->trunk->name, "user", rules->user, "domain", rules->domain, "bulk",
		rules->bulk, "state", state_names[registration->state], "registered", is_bound,
		"peer", address, "status", (int)registration->status, "expires_s",
		(json_int_t)(is_bound ? (registration->until_ms - now_ms) / 1000 : 0));
}

json_t *calls_registrations(const struct calls *calls)
{
	const struct registration *registration;
	json_t *list = json_array();

	if (calls->registrations)
		LIST_FOREACH (registration, &calls->registrations->list, in_registrations)
			json_array_append_new(list, registration_json(registration));
	return list;
}
