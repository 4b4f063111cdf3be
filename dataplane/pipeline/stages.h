// The stages of a worker turn, in order. One stage, one file.
#pragma once

#include "worker.h"

// Fill the burst from the other workers' hand-overs and from our queues.
void rx(struct worker *worker);

// Ethernet, IP, UDP: which slot of the table is it for?
void parse(struct worker *worker);

// Whose packet is it? Another worker's is handed over.
void classify(struct worker *worker);

// Can it be from the leg's far end, and within its rates? Nothing was spent on it so far.
void police(struct worker *worker);

// Is it RTP or RTCP?
void demultiplex(struct worker *worker);

// SRTP and SRTCP of all legs at once: from here on it is RTP and RTCP, proven to be the far end's.
void unprotect(struct worker *worker);

// Does it come from where the leg's media comes from? One-shot latch (RFC 7362).
void latch(struct worker *worker);

// Packets of legs that share a transport, to the leg that they are of (RFC 9143).
void bundle(struct worker *worker);

// Count, and reception statistics (RFC 3550 A).
void measure(struct worker *worker);

// To which legs, in which format: into the output, or to the transcoder.
void route(struct worker *worker);

// What the transcoder has finished, into the output.
void collect(struct worker *worker);

// Digits that control sends, in place of the audio of their legs.
void dial(struct worker *worker);

// RTP headers of the output.
void rewrite(struct worker *worker);

// RTCP that came: check, account, pass on where both legs are relayed.
void relay_reports(struct worker *worker);

// RTCP of our own for legs where it ends.
void send_reports(struct worker *worker);

// What goes to legs with SRTP, media and reports.
void protect(struct worker *worker);

// UDP, IP and Ethernet headers of both, and into the transmit queues.
void encapsulate(struct worker *worker);

// What control sends from a leg's ports. Returns how many.
unsigned int inject(struct worker *worker);

// To the devices.
void tx(struct worker *worker);
