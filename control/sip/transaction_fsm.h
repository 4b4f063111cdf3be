// The four transaction machines of RFC 3261 17, with RFC 6026, as tables: what happens to an event
// in a state, and which timers run in a state. Data only; transaction.c executes it.
#pragma once

#include <stdint.h>

enum fsm_machine {
	FSM_CLIENT_INVITE, // 17.1.1
	FSM_CLIENT,	   // 17.1.2
	FSM_SERVER_INVITE, // 17.2.1
	FSM_SERVER,	   // 17.2.2
	FSM_N_MACHINES,
};

enum fsm_state {
	FSM_GONE,   // no state: such a cell ignores its event; as next state: terminated
	FSM_TRYING, // Calling of the client INVITE machine, Trying of the non-INVITE ones
	FSM_PROCEEDING,
	FSM_COMPLETED,
	FSM_CONFIRMED, // server INVITE
	FSM_ACCEPTED,  // INVITE, RFC 6026
	FSM_N_STATES,
};

enum fsm_event {
	FSM_1XX,     // a provisional response: received by a client, given by the TU to a server
	FSM_2XX,     // 200 to 299
	FSM_FINAL,   // 300 to 699
	FSM_REQUEST, // server: the request came again
	FSM_ACK,     // server INVITE
	FSM_REPEAT,  // timer A, E or G; in a server that has sent nothing yet: time for a 100
	FSM_EXPIRE,  // timer B, D, F, H, I, J, K, L or M
	FSM_ERROR,   // the transport could not deliver
	FSM_N_EVENTS,
};

// What a transition does, in this order.
enum fsm_action {
	FSM_SEND = 1 << 0,     // server: send the response of the TU and keep it
	FSM_SEND_100 = 1 << 1, // server: send 100 and keep it
	FSM_RESEND = 1 << 2,   // send again what was sent last
	FSM_SEND_ACK = 1 << 3, // client INVITE: acknowledge a non-2xx
	FSM_QUIET = 1 << 4,    // stop the repeat timer
	FSM_TELL = 1 << 5,     // pass the message to the TU
	FSM_FAIL_408 = 1 << 6, // tell the TU that nothing will come
	FSM_FAIL_503 = 1 << 7, // tell the TU of the transport
};

struct fsm_transition {
	uint8_t next; // enum fsm_state
	uint8_t does; // of enum fsm_action
	uint8_t is;   // 1: this cell is there; an event without one is ignored
};

// How the repeat timer runs in a state (unreliable transports only, but for the 100s).
enum fsm_repeat {
	FSM_REPEAT_NONE,
	FSM_REPEAT_DOUBLE,    // timer A: T1, 2*T1, 4*T1...
	FSM_REPEAT_DOUBLE_T2, // timers E and G: the same up to T2
	FSM_REPEAT_T2,	      // timer E in Proceeding
	FSM_REPEAT_100,	      // once: 200 ms, 17.2.1
	FSM_REPEAT_100_LATE,  // once: when timer E of the client has reached T2, RFC 4320 4.1
};

// How long a state lasts.
enum fsm_lifetime {
	FSM_LIFE_KEEP,	  // what the state before it had left
	FSM_LIFE_FOREVER, // until the TU or the peer does something
	FSM_LIFE_64T1,	  // timers B, F, H, L, M
	FSM_LIFE_D,	  // timer D; 0 over reliable transports
	FSM_LIFE_T4,	  // timers I and K; 0 over reliable transports
	FSM_LIFE_J,	  // 64*T1; 0 over reliable transports
};

struct fsm_timers {
	uint8_t repeat; // enum fsm_repeat
	uint8_t life;	// enum fsm_lifetime
};

extern const struct fsm_transition fsm_transitions[FSM_N_MACHINES][FSM_N_STATES][FSM_N_EVENTS];
extern const struct fsm_timers fsm_timers[FSM_N_MACHINES][FSM_N_STATES];
