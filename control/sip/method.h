// Request methods. Methods are case-sensitive (7.1); an unknown one is METHOD_OTHER and keeps its
// name in the message.
#pragma once

#include "slice.h"

enum method {
	METHOD_OTHER,
	METHOD_ACK,
	METHOD_BYE,
	METHOD_CANCEL,
	METHOD_INFO,
	METHOD_INVITE,
	METHOD_MESSAGE,
	METHOD_NOTIFY,
	METHOD_OPTIONS,
	METHOD_PRACK,
	METHOD_PUBLISH,
	METHOD_REFER,
	METHOD_REGISTER,
	METHOD_SUBSCRIBE,
	METHOD_UPDATE,
	METHOD_N,
};

enum method method_from(struct slice name);
struct slice method_name(enum method method); // METHOD_OTHER: "OTHER"
