// How the results of the admin socket look to people.
#pragma once

#include <jansson.h>
#include <stdio.h>

typedef void show_fn(const json_t *result, FILE *file);

show_fn show_status, show_calls, show_call, show_sessions, show_session, show_counters, show_drops,
	show_trunks, show_codecs, show_profile, show_transcoders, show_trace, show_messages,
	show_nothing, show_reload, show_bindings, show_registrations;

show_fn show_cluster, show_cluster_short;
show_fn show_quality; // of a leg
