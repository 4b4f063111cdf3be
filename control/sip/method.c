// Methods by name.
#include "method.h"

static const struct slice names[METHOD_N] = {
	[METHOD_OTHER] = SLICE("OTHER"),
	[METHOD_ACK] = SLICE("ACK"),
	[METHOD_BYE] = SLICE("BYE"),
	[METHOD_CANCEL] = SLICE("CANCEL"),
	[METHOD_INFO] = SLICE("INFO"),
	[METHOD_INVITE] = SLICE("INVITE"),
	[METHOD_MESSAGE] = SLICE("MESSAGE"),
	[METHOD_NOTIFY] = SLICE("NOTIFY"),
	[METHOD_OPTIONS] = SLICE("OPTIONS"),
	[METHOD_PRACK] = SLICE("PRACK"),
	[METHOD_PUBLISH] = SLICE("PUBLISH"),
	[METHOD_REFER] = SLICE("REFER"),
	[METHOD_REGISTER] = SLICE("REGISTER"),
	[METHOD_SUBSCRIBE] = SLICE("SUBSCRIBE"),
	[METHOD_UPDATE] = SLICE("UPDATE"),
};

enum method method_from(struct slice name)
{
	for (enum method m = METHOD_OTHER + 1; m < METHOD_N; m++)
		if (name.n == names[m].n && name.p[0] == names[m].p[0] &&
			slice_equal(name, names[m]))
			return m;
	return METHOD_OTHER;
}

struct slice method_name(enum method method)
{
	return names[method < METHOD_N ? method : METHOD_OTHER];
}
