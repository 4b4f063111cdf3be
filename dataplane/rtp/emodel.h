// The E-model (ITU-T G.107): from packet loss and delay to the rating R, and from that to the mean
// opinion score of a conversation (MOS-CQE).
//
// Telephones, rooms and noise are G.107's defaults, with which an undisturbed G.711 call has an R
// of 93.2. The scale is the narrowband one: no codec is better than G.711 on it.
#pragma once

// What G.113 Appendix I says of a codec, or what is assumed where it has no row for it.
struct emodel_codec {
	const char *name;
	double ie;	 // equipment impairment without loss
	double bpl;	 // robustness against loss
	double delay_ms; // of its algorithm, beyond the packet
};

struct emodel_path {
	double loss;	    // 0..1 of the packets that should have been heard
	double burst_ratio; // mean length of a burst of losses by that of random ones, at least 1
	double delay_ms;    // from mouth to ear, one way
};

// By RTP encoding name, in any case. Never NULL: an unknown one is taken for a middling one.
const struct emodel_codec *emodel_codec_find(const char *name);

double emodel_r(const struct emodel_codec *codec, const struct emodel_path *path); // 0..100
double emodel_mos(double r); // 1..4.5 (G.107 Annex B)

// The burst ratio of n_lost packets in n_bursts runs, of n_expected; 1 where there is no telling.
double emodel_burst_ratio(double n_lost, double n_bursts, double n_expected);
