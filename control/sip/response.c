// Responses from requests. Subtle: the top Via value is not copied but written anew, so that
// what the sender claims in received or rport is replaced by what we saw.
#include "response.h"

#include "status.h"

static bool is_observed(struct slice name)
{
	return slice_equal_nocase(name, SLICE("received")) ||
	       slice_equal_nocase(name, SLICE("rport"));
}

// A parameter as it came, quotes included.
static void param_write(struct builder *b, const struct param *param)
{
	struct slice value = param->value;

	builder_char(b, ';');
	builder_slice(b, param->name);
	if (!value.p)
		return;
	if (value.p > param->name.p && value.p[-1] == '"')
		value = (struct slice){value.p - 1, value.n + 2};
	builder_char(b, '=');
	builder_slice(b, value);
}

static void observed_write(struct builder *b, const struct sip_message *request)
{
	char text[SIP_ADDRESS_TEXT_SIZE];
	struct slice source = sip_address_format_host(&request->flow.remote, false, text);

	if (request->via.has_rport) {
		builder_slice(b, SLICE(";rport="));
		builder_unsigned(b, sip_address_port(&request->flow.remote));
	}
	if (request->via.has_rport || !slice_equal_nocase(source, request->via.host)) {
		builder_slice(b, SLICE(";received="));
		builder_slice(b, source);
	}
}

static void via_top_write(struct builder *b, const struct sip_message *request)
{
	const struct via *via = &request->via;
	struct slice rest = via->params;
	struct param param;

	builder_slice(b, (struct slice){via->value.p, via->value.n - via->params.n});
	while (params_next(&rest, &param) > 0)
		if (!is_observed(param.name))
			param_write(b, &param);
	observed_write(b, request);
}

static void vias_write(struct builder *b, const struct sip_message *request)
{
	const struct sip_header *header = message_header(request, HEADER_VIA);

	if (header && request->via.value.p) {
		const char *top_end = request->via.value.p + request->via.value.n;

		builder_slice(b, SLICE("Via: "));
		via_top_write(b, request);
		builder_slice(b, (struct slice){top_end,
					 (size_t)(header->value.p + header->value.n - top_end)});
		builder_slice(b, SLICE("\r\n"));
		header = message_header_next(request, header);
	}
	for (; header; header = message_header_next(request, header))
		builder_header(b, HEADER_VIA, header->value);
}

static void to_write(struct builder *b, const struct sip_message *request, struct slice to_tag)
{
	struct slice to = message_value(request, HEADER_TO);

	if (!to.p)
		return;
	builder_slice(b, SLICE("To: "));
	builder_slice(b, to);
	if (to_tag.n && request->to.value.p && !request->to_tag.p) {
		builder_slice(b, SLICE(";tag="));
		builder_slice(b, to_tag);
	}
	builder_slice(b, SLICE("\r\n"));
}

static bool makes_dialog(enum method method, unsigned int status)
{
	if (status == 100 || status >= 300)
		return false;
	return method == METHOD_INVITE || method == METHOD_SUBSCRIBE || method == METHOD_REFER;
}

void response_write(struct builder *b, const struct sip_message *request, unsigned int status,
	struct slice reason, struct slice to_tag)
{
	builder_status_line(b, status, reason);
	vias_write(b, request);
	builder_copy(b, request, HEADER_FROM);
	to_write(b, request, status == 100 ? (struct slice){0} : to_tag);
	builder_copy(b, request, HEADER_CALL_ID);
	builder_copy(b, request, HEADER_CSEQ);
	if (status == 100)
		builder_copy(b, request, HEADER_TIMESTAMP);
	if (makes_dialog(request->method, status))
		builder_copy(b, request, HEADER_RECORD_ROUTE);
}

struct flow response_flow(const struct sip_message *request)
{
	struct flow flow = request->flow;
	uint16_t port =
		request->via.port ? request->via.port : listener_default_port(flow.listener);

	if (!request->via.value.p)
		return flow;
	if (listener_is_reliable(flow.listener))
		flow.connect_port = port;
	else if (!request->via.has_rport)
		sip_address_port_set(&flow.remote, port);
	return flow;
}
