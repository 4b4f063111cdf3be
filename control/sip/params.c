// Parameters: one pass, white space around ';' and '=' allowed as in header fields (URIs hold
// none).
#include "params.h"

#include <errno.h>

#include "chars.h"

static struct slice take_run(struct slice *rest, bool stop_at_equals)
{
	struct slice run = {rest->p, 0};

	while (run.n < rest->n && char_is(rest->p[run.n], CHAR_VALUE) &&
		!(stop_at_equals && rest->p[run.n] == '='))
		run.n++;
	*rest = slice_skip(*rest, run.n);
	return run;
}

static int take_value(struct slice *rest, struct slice *value)
{
	size_t n;

	if (!rest->n || rest->p[0] != '"') {
		*value = take_run(rest, false);
		return 0;
	}
	n = chars_quoted(*rest);
	if (!n)
		return -EBADMSG;
	*value = (struct slice){rest->p + 1, n - 2};
	*rest = slice_skip(*rest, n);
	return 0;
}

int params_next(struct slice *rest, struct param *param)
{
	struct slice r = slice_skip_space(*rest);
	struct param found = {0};

	if (!r.n)
		return 0;
	if (r.p[0] != ';')
		return -EBADMSG;
	r = slice_skip_space(slice_skip(r, 1));
	found.name = take_run(&r, true);
	if (!found.name.n)
		return -EBADMSG;
	r = slice_skip_space(r);
	if (r.n && r.p[0] == '=') {
		r = slice_skip_space(slice_skip(r, 1));
		if (take_value(&r, &found.value))
			return -EBADMSG;
		r = slice_skip_space(r);
	}
	if (r.n && r.p[0] != ';')
		return -EBADMSG;
	*rest = r;
	*param = found;
	return 1;
}

bool params_find(struct slice params, struct slice name, struct slice *value)
{
	struct param param;

	while (params_next(&params, &param) > 0) {
		if (!slice_equal_nocase(param.name, name))
			continue;
		if (value)
			*value = param.value;
		return true;
	}
	return false;
}

int params_check(struct slice params)
{
	struct param param;
	int more;

	while ((more = params_next(&params, &param)) > 0)
		;
	return more;
}
