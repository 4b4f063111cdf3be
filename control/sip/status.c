// The reason phrases as one table by code.
#include "status.h"

static const struct {
	unsigned int status;
	struct slice reason;
} reasons[] = {
	{100, SLICE("Trying")},
	{180, SLICE("Ringing")},
	{181, SLICE("Call Is Being Forwarded")},
	{182, SLICE("Queued")},
	{183, SLICE("Session Progress")},
	{199, SLICE("Early Dialog Terminated")},
	{200, SLICE("OK")},
	{202, SLICE("Accepted")},
	{204, SLICE("No Notification")},
	{300, SLICE("Multiple Choices")},
	{301, SLICE("Moved Permanently")},
	{302, SLICE("Moved Temporarily")},
	{305, SLICE("Use Proxy")},
	{380, SLICE("Alternative Service")},
	{400, SLICE("Bad Request")},
	{401, SLICE("Unauthorized")},
	{402, SLICE("Payment Required")},
	{403, SLICE("Forbidden")},
	{404, SLICE("Not Found")},
	{405, SLICE("Method Not Allowed")},
	{406, SLICE("Not Acceptable")},
	{407, SLICE("Proxy Authentication Required")},
	{408, SLICE("Request Timeout")},
	{410, SLICE("Gone")},
	{412, SLICE("Conditional Request Failed")},
	{413, SLICE("Request Entity Too Large")},
	{414, SLICE("Request-URI Too Long")},
	{415, SLICE("Unsupported Media Type")},
	{416, SLICE("Unsupported URI Scheme")},
	{417, SLICE("Unknown Resource-Priority")},
	{420, SLICE("Bad Extension")},
	{421, SLICE("Extension Required")},
	{422, SLICE("Session Interval Too Small")},
	{423, SLICE("Interval Too Brief")},
	{428, SLICE("Use Identity Header")},
	{429, SLICE("Provide Referrer Identity")},
	{430, SLICE("Flow Failed")},
	{433, SLICE("Anonymity Disallowed")},
	{436, SLICE("Bad Identity-Info")},
	{437, SLICE("Unsupported Certificate")},
	{438, SLICE("Invalid Identity Header")},
	{439, SLICE("First Hop Lacks Outbound Support")},
	{440, SLICE("Max-Breadth Exceeded")},
	{469, SLICE("Bad Info Package")},
	{470, SLICE("Consent Needed")},
	{480, SLICE("Temporarily Unavailable")},
	{481, SLICE("Call/Transaction Does Not Exist")},
	{482, SLICE("Loop Detected")},
	{483, SLICE("Too Many Hops")},
	{484, SLICE("Address Incomplete")},
	{485, SLICE("Ambiguous")},
	{486, SLICE("Busy Here")},
	{487, SLICE("Request Terminated")},
	{488, SLICE("Not Acceptable Here")},
	{489, SLICE("Bad Event")},
	{491, SLICE("Request Pending")},
	{493, SLICE("Undecipherable")},
	{494, SLICE("Security Agreement Required")},
	{500, SLICE("Server Internal Error")},
	{501, SLICE("Not Implemented")},
	{502, SLICE("Bad Gateway")},
	{503, SLICE("Service Unavailable")},
	{504, SLICE("Server Time-out")},
	{505, SLICE("Version Not Supported")},
	{513, SLICE("Message Too Large")},
	{580, SLICE("Precondition Failure")},
	{600, SLICE("Busy Everywhere")},
	{603, SLICE("Decline")},
	{604, SLICE("Does Not Exist Anywhere")},
	{606, SLICE("Not Acceptable")},
	{607, SLICE("Unwanted")},
	{608, SLICE("Rejected")},
};

static struct slice find(unsigned int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return (struct slice){0};
}

struct slice status_reason(unsigned int status)
{
	struct slice reason = find(status);

	return reason.p ? reason : find(status / 100 * 100);
}
