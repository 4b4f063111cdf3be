// Why packets are dropped: X(name, what it means). The counter of each is "drop.<name>".
#pragma once

#define DROP_REASONS(X)                                                               \
	X(segmented, "frame in more than one buffer")                                 \
	X(too_short, "shorter than its headers say")                                  \
	X(wrong_mac, "not for our MAC")                                               \
	X(qinq, "with two VLAN tags")                                                 \
	X(not_ip, "no IP packet")                                                     \
	X(ip_options, "IPv4 header with options")                                     \
	X(ip_checksum, "IPv4 header checksum is wrong")                               \
	X(fragment, "fragment, IPv4 or IPv6")                                         \
	X(ipv6_hop_by_hop, "IPv6 with hop-by-hop options")                            \
	X(ipv6_routing, "IPv6 with a routing header")                                 \
	X(ipv6_destination, "IPv6 with destination options")                          \
	X(not_udp, "IP but no UDP")                                                   \
	X(udp_checksum, "UDP checksum is wrong, says the device")                     \
	X(udp_no_checksum, "UDP over IPv6 without a checksum")                        \
	X(bad_source, "from an address that nobody can have")                         \
	X(unknown_address, "for an address that is not the port's")                   \
	X(wrong_vlan, "for an address of another VLAN, or tagged where none is")      \
	X(unknown_port, "for a UDP port without a leg")                               \
	X(shard_inactive, "to or from an address of a shard that is not active here") \
	X(handover_full, "for another worker, whose ring is full")                    \
	X(not_rtp, "neither RTP nor RTCP, and nobody takes it")                       \
	X(stun, "STUN that nobody takes")                                             \
	X(dtls, "DTLS that nobody takes")                                             \
	X(punt_length, "longer than what can be passed to control")                   \
	X(punt_leg_rate, "for control, more than a leg may have in a second")         \
	X(punt_rate, "for control, more than all legs may have in a second")          \
	X(punt_full, "for control, but the ring to it is full")                       \
	X(bad_rtp, "malformed RTP")                                                   \
	X(bad_rtcp, "malformed RTCP")                                                 \
	X(rtcp_port, "RTCP where RTP belongs or the reverse")                         \
	X(srtp_auth, "does not authenticate, or is plain RTP where SRTP belongs")     \
	X(srtp_mki, "SRTP under a master key that the leg has not")                   \
	X(srtp_malformed, "too short for SRTP, or its header says so")                \
	X(srtp_replay, "SRTP that came before")                                       \
	X(srtp_late, "SRTP too late to tell whether it came before")                  \
	X(srtp_ssrcs, "more SSRCs under an SRTP key than there is room for")          \
	X(srtp_limit, "the SRTP key is at the end of its life")                       \
	X(srtp_failed, "the cipher library refused")                                  \
	X(leg_rate, "over the rates of its leg")                                      \
	X(worker_rate, "over the rate of the worker")                                 \
	X(unknown_pt, "payload type that the leg does not take")                      \
	X(unknown_stream, "of a bundle, but of which leg nothing tells")              \
	X(wrong_source, "from an address that is not the leg's")                      \
	X(not_receiving, "the leg does not receive")                                  \
	X(sequence_jump, "sequence far off, and no second packet confirmed it")       \
	X(unrouted, "no leg wants it, or not in this format")                         \
	X(digit, "audio in place of which a digit is sent")                           \
	X(not_sending, "the leg that it is for does not send")                        \
	X(rtcp_unrelayed, "RTCP that ends here (its reports are made anew)")          \
	X(no_buffer, "no packet buffer left for a copy")                              \
	X(srtp_resent, "under an SRTP index that was sent before, or may have been")  \
	X(srtp_room, "no room for the SRTP trailer in the packet buffer")             \
	X(transcoder_full, "the transcoder's ring is full")                           \
	X(stale_transcoded, "came out of a codec after its leg had gone")             \
	X(no_remote, "nowhere to send: the far end's address is not known")           \
	X(no_next_hop, "no route to the far end, or its neighbour is not known yet")  \
	X(too_long, "longer than the port's MTU")                                     \
	X(tx_full, "the device's transmit queue is full")

enum drop_reason {
#define DROP_ENUM(name, text) DROP_##name,
	DROP_REASONS(DROP_ENUM)
#undef DROP_ENUM
		DROP_REASONS_N
};

#define PASS DROP_REASONS_N // no reason to drop
