#!/usr/bin/python3
"""Is the recording the sound that was sent? Align both, then compare window by window.

usage: audio.py compare SOURCE.wav RECORDING.wav [--min-correlation R] [--max-level-error DB]
                [--min-seconds S] [--json]

Both files are mono, 16 bit, of one sample rate (scripts/lib/phone.sh makes them 8 kHz, 300 to
3400 Hz: what the narrower side of a call can carry). The recording is found in the source by
cross-correlation of the whole; then each window of half a second is aligned again within
DRIFT_MS, because a phone that misses a frame shortens its recording by one. Silence between words
says nothing and is left out. Correlation 1 is the same waveform; level is recording over source.
Exit status 1 where the recording is not the source by the limits given.
"""
import argparse
import json
import sys
import wave

import numpy

WINDOW_MS = 500
DRIFT_MS = 45
SILENCE = 0.1  # of the source's loudest windows' RMS


def read_wav(path):
    with wave.open(path, "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"audio.py: {path}: expected 16 bit mono")
        samples = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), samples.astype(numpy.float64)


def find_offset(source, recording):
    """Where in source the recording begins (may be negative), by FFT cross-correlation."""
    size = 1 << (len(source) + len(recording) - 1).bit_length()
    product = numpy.fft.rfft(source, size) * numpy.conj(numpy.fft.rfft(recording, size))
    correlation = numpy.fft.irfft(product, size)
    peak = int(numpy.argmax(correlation))
    return peak if peak < len(source) else peak - size


def rms(samples):
    return float(numpy.sqrt(numpy.mean(samples * samples))) if len(samples) else 0.0


def best_match(source, window, around, drift):
    """The highest normalised correlation of window with source near `around`: (r, offset)."""
    low = max(0, around - drift)
    area = source[low:around + drift + len(window)]
    if len(area) < len(window):
        return 0.0, around
    products = numpy.correlate(area, window, "valid")
    ones = numpy.ones(len(window))
    energy = numpy.correlate(area * area, ones, "valid")
    scale = numpy.sqrt(numpy.maximum(energy, 1.0) * max(float(window @ window), 1.0))
    best = int(numpy.argmax(products / scale))
    return float(products[best] / scale[best]), low + best


def compare(source, recording, rate):
    size, drift = rate * WINDOW_MS // 1000, rate * DRIFT_MS // 1000
    offset = find_offset(source, recording)
    loudest = max((rms(source[i:i + size]) for i in range(0, len(source) - size, size)), default=0)
    results, source_energy, recording_energy = [], 0.0, 0.0
    for start in range(0, len(recording) - size + 1, size):
        window = recording[start:start + size]
        around = start + offset
        if around < 0 or rms(source[around:around + size]) < SILENCE * loudest:
            continue
        correlation, at = best_match(source, window, around, drift)
        results.append(correlation)
        if correlation > 0.5:
            offset = at - start
        source_energy += rms(source[at:at + size]) ** 2
        recording_energy += rms(window) ** 2
    level = 10 * numpy.log10(max(recording_energy, 1e-9) / max(source_energy, 1e-9))
    return {
        "correlation": round(float(numpy.median(results)), 4) if results else 0.0,
        "worst_window": round(float(min(results)), 4) if results else 0.0,
        "level_db": round(float(level), 2) if results else -99.0,
        "speech_s": round(len(results) * WINDOW_MS / 1000, 1),
        "recorded_s": round(len(recording) / rate, 2),
        "offset_ms": round(offset * 1000 / rate, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["compare"])
    parser.add_argument("source")
    parser.add_argument("recording")
    parser.add_argument("--min-correlation", type=float, default=0.9)
    parser.add_argument("--max-level-error", type=float, default=3.0)
    parser.add_argument("--min-seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    (rate, source), (other, recording) = read_wav(options.source), read_wav(options.recording)
    if rate != other:
        sys.exit(f"audio.py: {options.source} has {rate} Hz, {options.recording} {other} Hz")
    result = compare(source, recording, rate)
    result["min_correlation"] = options.min_correlation
    result["same"] = (
        result["correlation"] >= options.min_correlation
        and abs(result["level_db"]) <= options.max_level_error
        and result["speech_s"] >= options.min_seconds)
    if options.json:
        print(json.dumps(result))
    else:
        print("correlation {correlation:.3f} (worst half second {worst_window:.3f}), "
              "level {level_db:+.1f} dB, {speech_s} s of speech compared".format(**result))
    return 0 if result["same"] else 1


if __name__ == "__main__":
    sys.exit(main())
