// Header fields: known names as numbers, and parsers of the values that the stack itself must
// understand. Values come out of sip_message already trimmed and unfolded.
#pragma once

#include "method.h"
#include "params.h"
#include "uri.h"

// X(id, name, compact letter or 0)
#define HEADER_LIST(X)                                     \
	X(ACCEPT, "Accept", 0)                             \
	X(ACCEPT_ENCODING, "Accept-Encoding", 0)           \
	X(ACCEPT_LANGUAGE, "Accept-Language", 0)           \
	X(ALERT_INFO, "Alert-Info", 0)                     \
	X(ALLOW, "Allow", 0)                               \
	X(ALLOW_EVENTS, "Allow-Events", 'u')               \
	X(AUTHENTICATION_INFO, "Authentication-Info", 0)   \
	X(AUTHORIZATION, "Authorization", 0)               \
	X(CALL_ID, "Call-ID", 'i')                         \
	X(CALL_INFO, "Call-Info", 0)                       \
	X(CONTACT, "Contact", 'm')                         \
	X(CONTENT_DISPOSITION, "Content-Disposition", 0)   \
	X(CONTENT_ENCODING, "Content-Encoding", 'e')       \
	X(CONTENT_LANGUAGE, "Content-Language", 0)         \
	X(CONTENT_LENGTH, "Content-Length", 'l')           \
	X(CONTENT_TYPE, "Content-Type", 'c')               \
	X(CSEQ, "CSeq", 0)                                 \
	X(DATE, "Date", 0)                                 \
	X(DIVERSION, "Diversion", 0)                       \
	X(ERROR_INFO, "Error-Info", 0)                     \
	X(EVENT, "Event", 'o')                             \
	X(EXPIRES, "Expires", 0)                           \
	X(FROM, "From", 'f')                               \
	X(HISTORY_INFO, "History-Info", 0)                 \
	X(IN_REPLY_TO, "In-Reply-To", 0)                   \
	X(MAX_FORWARDS, "Max-Forwards", 0)                 \
	X(MIME_VERSION, "MIME-Version", 0)                 \
	X(MIN_EXPIRES, "Min-Expires", 0)                   \
	X(MIN_SE, "Min-SE", 0)                             \
	X(ORGANIZATION, "Organization", 0)                 \
	X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0)   \
	X(P_EARLY_MEDIA, "P-Early-Media", 0)               \
	X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0) \
	X(PATH, "Path", 0)                                 \
	X(PRIORITY, "Priority", 0)                         \
	X(PRIVACY, "Privacy", 0)                           \
	X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0)     \
	X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0)   \
	X(PROXY_REQUIRE, "Proxy-Require", 0)               \
	X(RACK, "RAck", 0)                                 \
	X(REASON, "Reason", 0)                             \
	X(RECORD_ROUTE, "Record-Route", 0)                 \
	X(REFER_TO, "Refer-To", 'r')                       \
	X(REFERRED_BY, "Referred-By", 'b')                 \
	X(REPLACES, "Replaces", 0)                         \
	X(REPLY_TO, "Reply-To", 0)                         \
	X(REQUIRE, "Require", 0)                           \
	X(RETRY_AFTER, "Retry-After", 0)                   \
	X(ROUTE, "Route", 0)                               \
	X(RSEQ, "RSeq", 0)                                 \
	X(SERVER, "Server", 0)                             \
	X(SERVICE_ROUTE, "Service-Route", 0)               \
	X(SESSION_EXPIRES, "Session-Expires", 'x')         \
	X(SUBJECT, "Subject", 's')                         \
	X(SUBSCRIPTION_STATE, "Subscription-State", 0)     \
	X(SUPPORTED, "Supported", 'k')                     \
	X(TIMESTAMP, "Timestamp", 0)                       \
	X(TO, "To", 't')                                   \
	X(UNSUPPORTED, "Unsupported", 0)                   \
	X(USER_AGENT, "User-Agent", 0)                     \
	X(VIA, "Via", 'v')                                 \
	X(WARNING, "Warning", 0)                           \
	X(WWW_AUTHENTICATE, "WWW-Authenticate", 0)

enum header_id {
	HEADER_OTHER,
#define HEADER_ENUM(id, name, compact) HEADER_##id,
	HEADER_LIST(HEADER_ENUM)
#undef HEADER_ENUM
		HEADER_N,
};

enum header_id header_from(struct slice name); // any case, compact forms; else HEADER_OTHER
struct slice header_name(enum header_id id);   // the long form; HEADER_OTHER: ""

// name-addr or addr-spec with parameters: From, To, Contact, Route, Record-Route, Refer-To,
// P-Asserted-Identity... (20.10, RFC 8217: without <> parameters belong to the header). The
// uri is only cut out: uri_parse() it where it is needed.
struct nameaddr {
	struct slice value;   // all of it, as given to nameaddr_parse()
	struct slice display; // without quotes, escapes left; absent without one
	struct slice uri;     // "*" for a Contact of "*"
	struct slice params;  // from the first ';' on, or absent
};

// Parse one value (take it off a list with list_next() first). Returns 0 or -EBADMSG.
int nameaddr_parse(struct slice value, struct nameaddr *out);

struct via {
	struct slice value;
	struct slice transport; // "UDP"
	struct slice host;	// IPv6 without brackets
	uint16_t port;		// 0: not given
	bool host_is_ipv6;
	struct slice params; // from the first ';' on, or absent
	struct slice branch; // absent without one (RFC 2543)
	struct slice received, maddr;
	uint16_t rport; // 0: not given or without a value
	uint8_t ttl;	// 0: not given
	bool has_rport; // asked for RFC 3581
};

// Parse one Via value. Returns 0 or -EBADMSG.
int via_parse(struct slice value, struct via *out);

// CSeq: number below 2^31 and method. Returns 0 or -EBADMSG.
int cseq_parse(struct slice value, uint32_t *number, struct slice *method);

struct content_type {
	struct slice type, subtype; // "application", "sdp"; compare without case
	struct slice params;
};
int content_type_parse(struct slice value, struct content_type *out);

// Reason of RFC 3326: "SIP ;cause=200 ;text=..." One value; several may be in a list.
struct reason {
	struct slice protocol; // "SIP", "Q.850"
	uint32_t cause;	       // 0: not given
	struct slice text;     // without quotes; absent without one
};
int reason_parse(struct slice value, struct reason *out);

// RAck: "776656 1 INVITE" (RFC 3262). Returns 0 or -EBADMSG.
int rack_parse(struct slice value, uint32_t *rseq, uint32_t *cseq, struct slice *method);

// Take the next value off a comma-separated list; commas inside quotes and <> do not count.
// Returns 1 and the trimmed value, 0 at the end, -EBADMSG on unbalanced quotes or an empty value.
int list_next(struct slice *rest, struct slice *value);
