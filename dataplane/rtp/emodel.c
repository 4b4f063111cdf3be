// The E-model with the defaults of G.107 Table 2, equation by equation. The names are those of the
// Recommendation. A packet network changes the delays (T = Ta, Tr = 2 Ta) and Ie,eff alone, so all
// else is a constant, computed here all the same: that way the text can be checked.
#include "emodel.h"

#include <math.h>
#include <stddef.h>
#include <strings.h>

// G.107 Table 2
#define SLR  8.0   // dB, send loudness rating
#define RLR  2.0   // dB, receive
#define STMR 15.0  // dB, sidetone masking rating
#define DS   3.0   // D-value of telephone, send side
#define DR   3.0   // receive side
#define TELR 65.0  // dB, talker echo loudness rating
#define WEPL 110.0 // dB, weighted echo path loss
#define QDU  1.0   // quantizing distortion units
#define NC   -70.0 // dBm0p, circuit noise
#define NFOR -64.0 // dBmp, noise floor at the receive side
#define PS   35.0  // dB(A), room noise, send side
#define PR   35.0  // receive side
#define MT   100.0 // ms, delay that nobody perceives
#define OLR  (SLR + RLR)
#define LSTR (STMR + DR)

// G.113 Appendix I has G.711 (with concealment: receivers do), G.729A and G.723.1 with VAD,
// GSM-EFR, which AMR's 12.2 kbit/s are; of GSM-FR, G.726 and G.728 it has Ie alone. The rest is
// assumed: wideband codecs are at least as good as G.711 without loss, and a Bpl is guessed from
// what the concealment is like; with in-band FEC Opus does better than this.
static const struct emodel_codec codecs_known[] = {
	{"PCMU", 0, 25.1, 0}, {"PCMA", 0, 25.1, 0}, {"G729", 11, 19.0, 5}, {"AMR", 5, 10.0, 5},
	{"GSM-EFR", 5, 10.0, 5}, {"G723", 15, 16.1, 8}, // at 6.3 kbit/s; delays are rounded up
	{"GSM", 20, 10.0, 0},				// from here on: Bpl assumed
	{"G728", 7, 10.0, 0}, {"G726-40", 2, 10.0, 0}, {"G726-32", 7, 10.0, 0},
	{"G726-24", 25, 10.0, 0}, {"G726-16", 50, 10.0, 0}, {"AAL2-G726-40", 2, 10.0, 0},
	{"AAL2-G726-32", 7, 10.0, 0}, {"AAL2-G726-24", 25, 10.0, 0}, {"AAL2-G726-16", 50, 10.0, 0},
	{"iLBC", 11, 32.0, 5},	 // assumed
	{"L16", 0, 4.3, 0},	 // assumed: G.711 without concealment
	{"G722", 0, 10.0, 2},	 // assumed
	{"AMR-WB", 0, 10.0, 5},	 // assumed
	{"opus", 0, 15.0, 7},	 // assumed
	{"speex", 11, 15.0, 10}, // assumed
};

static const struct emodel_codec codec_unknown = {"", 10, 10.0, 5};

const struct emodel_codec *emodel_codec_find(const char *name)
{
	for (size_t i = 0; i < sizeof(codecs_known) / sizeof(codecs_known[0]); i++)
		if (!strcasecmp(codecs_known[i].name, name))
			return &codecs_known[i];
	return &codec_unknown;
}

static double power(double db)
{
	return pow(10, db / 10);
}

// 7.1: all noise, referred to the 0 dBr point.
static double noise_no(void)
{
	double nos = PS - SLR - DS - 100 + 0.004 * pow(PS - OLR - DS - 14, 2);
	double pre = PR + 10 * log10(1 + power(10 - LSTR));
	double nor = RLR - 121 + pre + 0.008 * pow(pre - 35, 2);
	double nfo = NFOR + RLR;

	return 10 * log10(power(NC) + power(nos) + power(nor) + power(nfo));
}

// (1 + x^n)^(1/n)
static double norm(double x, double n)
{
	return pow(1 + pow(x, n), 1 / n);
}

// 7.3: what comes with the voice: loudness, sidetone, quantizing distortion.
static double impairment_is(double ro, double no, double t)
{
	double xolr = OLR + 0.2 * (64 + no - RLR);
	double iolr = 20 * (norm(xolr / 8, 8) - xolr / 8);
	double stmro = -10 * log10(power(-STMR) + exp(-t / 4) * power(-TELR));
	double ist = 12 * norm((stmro - 13) / 6, 8) - 28 * norm((stmro + 1) / 19.4, 35) -
		     13 * norm((stmro - 3) / 33, 13) + 29;
	double q = 37 - 15 * log10(QDU);
	double g = 1.07 + 0.258 * q + 0.0602 * q * q;
	double y = (ro - 100) / 15 + 46 / 8.4 - g / 9;
	double z = 46.0 / 30 - g / 40;

	return iolr + ist + 15 * log10(1 + pow(10, y) + pow(10, z));
}

// 7.4: talker echo, listener echo, and delay as such.
static double impairment_id(double ro, double no, double ta)
{
	double tr = 2 * ta;
	double terv = TELR - 40 * log10((1 + ta / 10) / (1 + ta / 150)) + 6 * exp(-0.3 * ta * ta);
	double echo = (-1.5 * (no - RLR) - (80 + 2.5 * (terv - 14))) / 2;
	double idte = ta < 1 ? 0 : (echo + sqrt(echo * echo + 100) - 1) * (1 - exp(-ta));
	double listener = (ro - 10.5 * (WEPL + 7) * pow(tr + 1, -0.25)) / 2;
	double idle = listener + sqrt(listener * listener + 169);
	double x = ta > MT ? log2(ta / MT) : 0;
	double idd = ta > MT ? 25 * (norm(x, 6) - 3 * norm(x / 3, 6) + 2) : 0;

	return idte + idle + idd;
}

// 7.5
static double impairment_ie_eff(const struct emodel_codec *codec, const struct emodel_path *path)
{
	double ppl = 100 * path->loss;

	return codec->ie + (95 - codec->ie) * ppl / (ppl / path->burst_ratio + codec->bpl);
}

double emodel_r(const struct emodel_codec *codec, const struct emodel_path *path)
{
	double no = noise_no();
	double ro = 15 - 1.5 * (SLR + no);
	double r = ro - impairment_is(ro, no, path->delay_ms) -
		   impairment_id(ro, no, path->delay_ms) - impairment_ie_eff(codec, path);

	return fmin(fmax(r, 0), 100);
}

double emodel_mos(double r)
{
	if (r >= 100)
		return 4.5;
	if (r <= 0)
		return 1;
	return fmax(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

double emodel_burst_ratio(double n_lost, double n_bursts, double n_expected)
{
	if (n_lost <= 0 || n_bursts <= 0 || n_expected <= n_lost)
		return 1;
	return fmax(1, n_lost / n_bursts * (1 - n_lost / n_expected));
}
