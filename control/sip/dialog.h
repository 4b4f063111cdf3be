// Dialogs (RFC 3261 12): a struct of values and what follows from them. The TU owns it, decides
// when it begins and ends, and may save it to bytes and restore it in another process.
//
// Subtle: strings of a dialog live in one block that is replaced as a whole, so a slice of it is
// valid only until the next change of that dialog.
#pragma once

#include "builder.h"
#include "hash.h"
#include "message.h"

struct sip_stack;
struct transaction;

enum dialog_string {
	DIALOG_CALL_ID,
	DIALOG_LOCAL_TAG,
	DIALOG_REMOTE_TAG,    // empty: the peer is of RFC 2543
	DIALOG_LOCAL_URI,     // From/To value of ours without tag: name-addr
	DIALOG_REMOTE_URI,    // and theirs
	DIALOG_REMOTE_TARGET, // URI of their Contact
	DIALOG_CONTACT,	      // our Contact value, written into requests; the TU sets it
	DIALOG_ROUTES,	      // route set, comma-separated in the order of Route
	DIALOG_N_STRINGS,
};

enum dialog_state { DIALOG_EARLY, DIALOG_CONFIRMED, DIALOG_TERMINATED };

struct dialog {
	enum dialog_state state;
	bool is_uac;	// we sent the request that made it
	bool is_secure; // request came or went over TLS to a sips URI (12.1)
	bool has_remote_cseq;
	uint32_t local_cseq; // of the last request sent
	uint32_t remote_cseq;
	uint32_t invite_cseq; // of our last INVITE: the number that its ACK takes
	struct flow flow;     // where requests go; the TU may change it
	void *user;	      // the TU's
	struct slice strings[DIALOG_N_STRINGS];
	char *block;		    // what the strings point into
	struct slice credentials;   // header lines for the ACK of a 2xx (22.1); malloced
	struct slice ack;	    // the last ACK as sent, for retransmitted 2xx; malloced
	uint32_t ack_cseq;	    // its number
	struct hash_node node;	    // in its table
	struct dialog_table *table; // NULL: not in one
};

// A request that was sent, as far as a dialog needs it: what the TU put into its INVITE.
struct dialog_request {
	struct slice call_id, local_tag, local_uri, remote_uri, contact;
	uint32_t cseq;
	bool secure;
};

// UAS side, 12.1.1: from a request and the To tag of our response; early until dialog_confirm().
// `contact` is our Contact value. -EBADMSG where the request has no Contact.
// UAC side, 12.1.2: from what was sent and a 1xx with To tag (early) or a 2xx (confirmed). A
// response without Contact is taken for one whose Contact is the remote URI.
// Both return 0, -EBADMSG, -EMSGSIZE (route set or names beyond reason), -ENOMEM; on an error there
// is nothing to free. The flow is that of the message; `user` is left NULL.
int dialog_init_uas(struct dialog *dialog, const struct sip_message *request, struct slice to_tag,
	struct slice contact);
int dialog_init_uac(struct dialog *dialog, const struct dialog_request *request,
	const struct sip_message *response);
void dialog_fini(struct dialog *dialog); // also takes it out of its table

// A final 2xx. For a UAC dialog that was early, the route set and target come from it again
// (13.2.2.4); for a UAS one `response` is NULL. Returns 0 or as above.
int dialog_confirm(struct dialog *dialog, const struct sip_message *response);

// What `from` is becomes `to`, in its table too; `from` is none any more.
void dialog_move(struct dialog *to, struct dialog *from);

// Change one string. Returns 0 or -ENOMEM.
int dialog_set(struct dialog *dialog, enum dialog_string which, struct slice value);

// A request in the dialog came: checks and takes its CSeq (12.2.2), and on TCP the connection that
// it came on, where that is from the host of the last. Returns 0; -EPROTO where the
// number is lower than the last (answer 500); ACK and CANCEL do not count.
int dialog_request_received(struct dialog *dialog, const struct sip_message *request);

// Target refresh: take the Contact of a request or 2xx of INVITE, UPDATE... (12.2). No
// Contact: nothing changes. Returns 0, -EBADMSG, -ENOMEM.
int dialog_refresh(struct dialog *dialog, const struct sip_message *message);

// Start a request inside the dialog (12.2.1.1): request line, Max-Forwards, Route, From, To,
// Call-ID, CSeq (one more than before, except ACK: that of the INVITE) and Contact. Strict routers
// get their URI as Request-URI. Add headers, end with builder_body(), then transaction_start().
void dialog_request_begin(struct dialog *dialog, enum method method, struct builder *b);
// The same for a method that has no number.
void dialog_request_begin_named(struct dialog *dialog, struct slice method, struct builder *b);

// The URI that the next request goes to first: top route or remote target. Returns 0 or -EBADMSG.
int dialog_next_hop(const struct dialog *dialog, struct uri *out);

// The INVITE that a 2xx answers: its credentials go into the ACK as well (22.1). Returns 0 or
// -ENOMEM.
int dialog_credentials_take(struct dialog *dialog, const struct transaction *invite);

// Send the ACK for a 2xx (13.2.2.4) with a body or without, and remember it; _again: the 2xx
// to the INVITE of that number came again. Returns 0 or a negative errno; -ENOENT where the last
// ACK was of another, or there was none yet.
int dialog_ack(struct dialog *dialog, struct sip_stack *stack, struct slice content_type,
	struct slice body);
int dialog_ack_again(struct dialog *dialog, struct sip_stack *stack, uint32_t cseq);

// ---- look-up

struct dialog_table;

struct dialog_table *dialog_table_create(void);
void dialog_table_destroy(struct dialog_table *table); // must be empty
// Returns 0, -EEXIST, -ENOMEM. Its Call-ID and tags must not change while it is in.
int dialog_table_add(struct dialog_table *table, struct dialog *dialog);
void dialog_table_remove(struct dialog *dialog);

// The dialog of a request (To tag is ours) or of a response (From tag is ours), or NULL.
struct dialog *dialog_find(const struct dialog_table *table, const struct sip_message *message);
struct dialog *dialog_find_ids(const struct dialog_table *table, struct slice call_id,
	struct slice local_tag, struct slice remote_tag);

// ---- records

// Save all values (not user, table, and the stored ACK: after dialog_restore() a retransmitted 2xx
// is answered with dialog_ack(); the flow's listener is saved as its address). Returns the bytes
// written, or -ENOSPC. Compact binary with a version; at most 64 kB.
int dialog_save(const struct dialog *dialog, void *out, size_t size);
// The reverse into a fresh dialog; the listener is looked up in the stack's transport (without a
// match: the first of the family, or NULL). Returns the bytes read, -EBADMSG, -ENOMEM.
int dialog_restore(struct dialog *dialog, struct sip_stack *stack, const void *data, size_t size);
