// User agents around a gateway under fuzzing: UDP sockets that keep what they have received, and
// write requests and responses that belong to it, right but for what the input says.
#pragma once

#include "input.h"

#define FAR_MESSAGE_MAX 8192
#define FAR_KEPT	8 // messages, the newest

struct far_message {
	char text[FAR_MESSAGE_MAX];
	size_t length;
};

struct far_end {
	int fd;
	char ip[16];
	unsigned int port;
	struct far_message kept[FAR_KEPT]; // received
	unsigned int n_kept;
	struct far_message invite; // the last one sent
	struct far_message sent;   // the last message of all
	unsigned int cseq, n_calls;
};

// Sends to and hears of the gateway at `gateway_ip`:5060. Aborts where it has no socket.
void far_end_open(struct far_end *far, const char *gateway_ip, const char *ip, unsigned int port);
void far_end_close(struct far_end *far);
void far_end_forget(struct far_end *far); // all that it has heard and said

// Take what has come. Returns how many.
unsigned int far_end_receive(struct far_end *far);

// Each takes from the input what it needs.
void far_end_invite(struct far_end *far, struct input *input);	 // a call
void far_end_reply(struct far_end *far, struct input *input);	 // to a request that it kept
void far_end_request(struct far_end *far, struct input *input);	 // in the dialog of a message
void far_end_cancel(struct far_end *far, struct input *input);	 // of the last INVITE, or its ACK
void far_end_register(struct far_end *far, struct input *input); // with a proof where one was asked
void far_end_outside(struct far_end *far, struct input *input);	 // a request of no call
void far_end_repeat(struct far_end *far, struct input *input);
