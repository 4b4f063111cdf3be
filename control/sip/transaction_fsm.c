// The tables. A cell that is not written ignores its event.
#include "transaction_fsm.h"

// clang-format off
#define GO(state, actions) {FSM_##state, (actions), 1}

const struct fsm_transition fsm_transitions[FSM_N_MACHINES][FSM_N_STATES][FSM_N_EVENTS] = {
[FSM_CLIENT_INVITE] = {
	// Calling: the INVITE is out, nothing has come back
	[FSM_TRYING] = {
		[FSM_REPEAT] = GO(TRYING, FSM_RESEND),              // A
		[FSM_EXPIRE] = GO(GONE, FSM_FAIL_408),              // B
		[FSM_ERROR]  = GO(GONE, FSM_FAIL_503),
		[FSM_1XX]    = GO(PROCEEDING, FSM_TELL),
		[FSM_2XX]    = GO(ACCEPTED, FSM_TELL),
		[FSM_FINAL]  = GO(COMPLETED, FSM_SEND_ACK | FSM_TELL),
	},
	// it rings; without CANCEL this has no end but theirs
	[FSM_PROCEEDING] = {
		[FSM_EXPIRE] = GO(GONE, FSM_FAIL_408),              // 64*T1 after a CANCEL, 9.1
		[FSM_1XX]    = GO(PROCEEDING, FSM_TELL),
		[FSM_2XX]    = GO(ACCEPTED, FSM_TELL),
		[FSM_FINAL]  = GO(COMPLETED, FSM_SEND_ACK | FSM_TELL),
	},
	// refused and acknowledged: acknowledge again while the peer repeats itself
	[FSM_COMPLETED] = {
		[FSM_FINAL]  = GO(COMPLETED, FSM_SEND_ACK),
		[FSM_ERROR]  = GO(GONE, 0),
		[FSM_EXPIRE] = GO(GONE, 0),                         // D
	},
	// answered: each 2xx, from whichever fork, is for the TU to acknowledge
	[FSM_ACCEPTED] = {
		[FSM_2XX]    = GO(ACCEPTED, FSM_TELL),
		[FSM_EXPIRE] = GO(GONE, 0),                         // M
	},
},
[FSM_CLIENT] = {
	[FSM_TRYING] = {
		[FSM_REPEAT] = GO(TRYING, FSM_RESEND),              // E
		[FSM_EXPIRE] = GO(GONE, FSM_FAIL_408),              // F
		[FSM_ERROR]  = GO(GONE, FSM_FAIL_503),
		[FSM_1XX]    = GO(PROCEEDING, FSM_TELL),
		[FSM_2XX]    = GO(COMPLETED, FSM_TELL),
		[FSM_FINAL]  = GO(COMPLETED, FSM_TELL),
	},
	[FSM_PROCEEDING] = {
		[FSM_REPEAT] = GO(PROCEEDING, FSM_RESEND),          // E, every T2
		[FSM_EXPIRE] = GO(GONE, FSM_FAIL_408),              // F
		[FSM_ERROR]  = GO(GONE, FSM_FAIL_503),
		[FSM_1XX]    = GO(PROCEEDING, FSM_TELL),
		[FSM_2XX]    = GO(COMPLETED, FSM_TELL),
		[FSM_FINAL]  = GO(COMPLETED, FSM_TELL),
	},
	// absorbs retransmitted responses
	[FSM_COMPLETED] = {
		[FSM_EXPIRE] = GO(GONE, 0),                         // K
	},
},
[FSM_SERVER_INVITE] = {
	[FSM_PROCEEDING] = {
		[FSM_REQUEST] = GO(PROCEEDING, FSM_RESEND),
		[FSM_REPEAT]  = GO(PROCEEDING, FSM_SEND_100),
		[FSM_1XX]     = GO(PROCEEDING, FSM_SEND | FSM_QUIET),
		[FSM_2XX]     = GO(ACCEPTED, FSM_SEND),
		[FSM_FINAL]   = GO(COMPLETED, FSM_SEND),
		[FSM_ERROR]   = GO(PROCEEDING, FSM_FAIL_503),       // state stays, RFC 6026 8.9
	},
	// refused: repeat it until the ACK comes
	[FSM_COMPLETED] = {
		[FSM_REQUEST] = GO(COMPLETED, FSM_RESEND),
		[FSM_REPEAT]  = GO(COMPLETED, FSM_RESEND),          // G
		[FSM_ACK]     = GO(CONFIRMED, 0),
		[FSM_EXPIRE]  = GO(GONE, FSM_FAIL_408),             // H
		[FSM_ERROR]   = GO(COMPLETED, FSM_FAIL_503),
	},
	// absorbs retransmitted ACKs
	[FSM_CONFIRMED] = {
		[FSM_EXPIRE]  = GO(GONE, 0),                        // I
	},
	// answered: absorbs retransmitted INVITEs while the TU repeats its 2xx
	[FSM_ACCEPTED] = {
		[FSM_2XX]     = GO(ACCEPTED, FSM_SEND),
		[FSM_ACK]     = GO(ACCEPTED, FSM_TELL),
		[FSM_EXPIRE]  = GO(GONE, 0),                        // L
		[FSM_ERROR]   = GO(ACCEPTED, FSM_FAIL_503),
	},
},
[FSM_SERVER] = {
	// silent until the TU answers, RFC 4320
	[FSM_TRYING] = {
		[FSM_REPEAT]  = GO(PROCEEDING, FSM_SEND_100),
		[FSM_1XX]     = GO(PROCEEDING, FSM_SEND),
		[FSM_2XX]     = GO(COMPLETED, FSM_SEND),
		[FSM_FINAL]   = GO(COMPLETED, FSM_SEND),
		[FSM_EXPIRE]  = GO(GONE, 0),                        // the client has given up (F)
	},
	[FSM_PROCEEDING] = {
		[FSM_REQUEST] = GO(PROCEEDING, FSM_RESEND),
		[FSM_1XX]     = GO(PROCEEDING, FSM_SEND),
		[FSM_2XX]     = GO(COMPLETED, FSM_SEND),
		[FSM_FINAL]   = GO(COMPLETED, FSM_SEND),
		[FSM_EXPIRE]  = GO(GONE, 0),
		[FSM_ERROR]   = GO(PROCEEDING, FSM_FAIL_503),
	},
	[FSM_COMPLETED] = {
		[FSM_REQUEST] = GO(COMPLETED, FSM_RESEND),
		[FSM_EXPIRE]  = GO(GONE, 0),                        // J
		[FSM_ERROR]   = GO(COMPLETED, FSM_FAIL_503),
	},
},
};

const struct fsm_timers fsm_timers[FSM_N_MACHINES][FSM_N_STATES] = {
[FSM_CLIENT_INVITE] = {
	[FSM_TRYING]     = {FSM_REPEAT_DOUBLE, FSM_LIFE_64T1},
	[FSM_PROCEEDING] = {FSM_REPEAT_NONE, FSM_LIFE_FOREVER},
	[FSM_COMPLETED]  = {FSM_REPEAT_NONE, FSM_LIFE_D},
	[FSM_ACCEPTED]   = {FSM_REPEAT_NONE, FSM_LIFE_64T1},
},
[FSM_CLIENT] = {
	[FSM_TRYING]     = {FSM_REPEAT_DOUBLE_T2, FSM_LIFE_64T1},
	[FSM_PROCEEDING] = {FSM_REPEAT_T2, FSM_LIFE_KEEP},
	[FSM_COMPLETED]  = {FSM_REPEAT_NONE, FSM_LIFE_T4},
},
[FSM_SERVER_INVITE] = {
	[FSM_PROCEEDING] = {FSM_REPEAT_100, FSM_LIFE_FOREVER},
	[FSM_COMPLETED]  = {FSM_REPEAT_DOUBLE_T2, FSM_LIFE_64T1},
	[FSM_CONFIRMED]  = {FSM_REPEAT_NONE, FSM_LIFE_T4},
	[FSM_ACCEPTED]   = {FSM_REPEAT_NONE, FSM_LIFE_64T1},
},
[FSM_SERVER] = {
	[FSM_TRYING]     = {FSM_REPEAT_100_LATE, FSM_LIFE_64T1},
	[FSM_PROCEEDING] = {FSM_REPEAT_NONE, FSM_LIFE_KEEP},
	[FSM_COMPLETED]  = {FSM_REPEAT_NONE, FSM_LIFE_J},
},
};
// clang-format on
