"""Logs of chrony and ntpd, and the daemon's own history."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from chronotick.history import open_history
from chronotick.lab.recordings import Recording, RecordingError, read_recording
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
# chrony.conf(5), `log rawmeasurements`; ntp_core.c for the banner.
CHRONY = """\
=====================================================================================
   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.
=====================================================================================
2016-11-09 05:40:50 203.0.113.15    N  2 111 111 1111  10 10 1.0  -4.966e-03  2.296e-01  1.577e-05\
  1.615e-01  7.446e-03 CB00717B 4B D K
2016-11-09 05:57:54 203.0.113.15    +  2 111 111 1101  10 10 1.0  -4.812e-03  2.213e-01  1.577e-05\
  1.615e-01  7.446e-03 CB00717B 4B D K
2016-11-09 06:14:58 203.0.113.15    ?  0 111 110 1111  10 10 1.0  -4.812e-03  2.213e-01  1.577e-05\
  1.615e-01  7.446e-03 CB00717B 4B D K
"""
STATISTICS = (
    "2016-08-10 05:40:50 203.0.113.15     6.261e-03 -3.247e-03 2.220e-03  1.874e-06  1.080e-06 "
    "7.8e-02  16   0   8  0.00\n"
)
TRACKING = (
    "2017-08-22 13:22:36 203.0.113.15     2     -3.541      0.075 -8.621e-06 N  2  2.940e-06 "
    "-2.084e-07  1.534e-02  3.472e-04  8.304e-03\n"
)
# Monitoring Commands and Options of ntpd; 50928 is 1998-04-25.
RAWSTATS = (
    "50928 2132.543 128.4.1.1 128.4.1.20 3102453281.584327000 3102453281.586228000 "
    "3102453281.586240000 3102453281.588458000"
)
PACKET = " 0 4 4 1 8 -21 0.015000 0.000320 .PPS."
PEERSTATS = """\
48773 10847.650 192.0.2.7 9714 -0.001605376 0.010500000 0.001424877 0.000958674
48773 10911.650 192.0.2.7 9714 -0.001505376 0.010000000 0.001424877 0.000958674
"""


def read(tmp_path: Path, text: str) -> Recording:
    path = tmp_path / "log"
    path.write_text(text)
    return read_recording(str(path))


def test_chronys_log_has_our_sign_and_the_packets_root_distance(tmp_path):
    recording = read(tmp_path, CHRONY)
    first, second = (each.measurement for each in recording.arrivals)
    assert recording.format == "chrony's measurements.log"
    assert first.offset_ns + recording.shift_ns == -4_966_000  # the local clock is fast
    assert first.delay_ns == 229_600_000
    assert first.root_delay_ns == 161_500_000
    assert first.root_dispersion_ns == 7_446_000
    assert recording.local_ns(first.raw_ns) == 1_478_670_050 * SECOND
    assert first.precision_ns == 1_000  # the last digit of -4.966e-03
    assert (first.stratum, second.leap) == (2, 1)


def test_what_chrony_did_not_accept_is_left_out(tmp_path):
    recording = read(tmp_path, CHRONY)
    assert len(recording.arrivals) == 2  # tests A to D are chrony's own selection: not ours
    assert any("chrony's tests 1 to 7" in note and "line 6" in note for note in recording.notes)


@pytest.mark.parametrize("text", [STATISTICS, TRACKING])
def test_chronys_other_logs_are_refused_by_name(tmp_path, text: str):
    with pytest.raises(RecordingError, match=r"line 1: is no line of chrony's measurements\.log"):
        read(tmp_path, text)


def test_a_damaged_line_of_chronys_is_told(tmp_path):
    with pytest.raises(RecordingError, match=r"line 4, column Offset: '-4\.96xe-03' is no number"):
        read(tmp_path, CHRONY.replace("-4.966e-03", "-4.96xe-03"))


def test_rawstats_give_exact_timestamps(tmp_path):
    recording = read(tmp_path, RAWSTATS + PACKET + "\n")
    arrival = recording.arrivals[0]
    measurement = arrival.measurement
    assert recording.format == "ntpd's rawstats"
    assert recording.local_ns(arrival.raw_ns) == (3_102_453_281 - 2_208_988_800) * SECOND + (
        588_458_000
    )
    # RFC 5905, section 8, by hand.
    assert measurement.offset_ns + recording.shift_ns == -158_500
    assert measurement.delay_ns == 4_119_000
    assert measurement.root_delay_ns == 15_000_000
    assert measurement.root_dispersion_ns == 320_000
    assert measurement.source == "128.4.1.1"
    assert not any("root distances" in note for note in recording.notes)


def test_old_rawstats_say_that_their_bound_trusts_the_server(tmp_path):
    assert any("takes their own time for exact" in n for n in read(tmp_path, RAWSTATS).notes)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("3102453281.584327000", "0.000000000", "a timestamp is 0"),
        (" 0 4 4 1 ", " 3 4 4 1 ", "was not synchronised"),
        (" 0 4 4 1 ", " 0 4 4 16 ", "was not synchronised"),
        (" 0 4 4 1 ", " 0 4 5 1 ", "no reply to a question"),
    ],
)
def test_packets_that_are_no_measurement_are_left_out(tmp_path, old, new, why):
    bad = (RAWSTATS + PACKET).replace(old, new)
    recording = read(tmp_path, f"{RAWSTATS}{PACKET}\n{bad}\n")
    assert len(recording.arrivals) == 1
    assert any(why in note for note in recording.notes)


def test_timestamps_of_the_next_era_are_in_it(tmp_path):
    """NTP seconds start again in 2036; MJD 66000 is 2039-08-04."""
    unix_s = (66_000 - 40_587) * 86_400 + 2
    stamps = [f"{unix_s + 2_208_988_800 - 2**32}.{fraction}" for fraction in (1, 2, 3, 4)]
    recording = read(tmp_path, f"66000 2.500 192.0.2.7 192.0.2.9 {' '.join(stamps)}{PACKET}\n")
    local_ns = recording.local_ns(recording.arrivals[0].raw_ns)
    assert local_ns == unix_s * SECOND + 400_000_000


def test_peerstats_have_our_sign(tmp_path):
    recording = read(tmp_path, PEERSTATS)
    measurement = recording.arrivals[0].measurement
    assert recording.format == "ntpd's peerstats"
    assert measurement.offset_ns + recording.shift_ns == -1_605_376
    assert measurement.delay_ns == 10_500_000
    assert measurement.root_dispersion_ns == 1_424_877
    assert (
        recording.local_ns(measurement.raw_ns)
        == ((48_773 - 40_587) * 86_400_000 + 10_847_650) * 1_000_000
    )
    assert any("clock filter" in note for note in recording.notes)


def test_loopstats_hold_no_measurements(tmp_path):
    with pytest.raises(RecordingError, match="record peerstats or rawstats"):
        read(tmp_path, "50935 75440.031 0.000006019 13.778190 0.000351733 0.0133806 6\n")


@pytest.mark.parametrize("text", [RAWSTATS, PEERSTATS])
def test_a_line_cut_off_is_told(tmp_path, text: str):
    with pytest.raises(RecordingError, match=r"line [23]: is no line of ntpd's"):
        read(tmp_path, f"{text.rstrip()}\n48773 10975.650 192.0.2.7\n")


# The daemon's history


def measurement(number: int) -> Measurement:
    return Measurement(
        source="192.0.2.7:123",
        raw_ns=(100 + 64 * number) * SECOND,
        offset_ns=1_763_640_000 * SECOND + number,
        delay_ns=20_001,
        precision_ns=100,
        root_delay_ns=5,
        root_dispersion_ns=7,
        stratum=2,
    )


@pytest.fixture
def past(tmp_path: Path) -> Path:
    path = tmp_path / "history.sqlite3"
    with open_history(path, 30).history as history:
        for number in range(5):
            history.add_measurement(measurement(number), selected=number > 0)
    return path


def test_a_history_is_read_as_it_was_measured(past):
    recording = read_recording(str(past))
    assert [each.measurement for each in recording.arrivals] == [measurement(n) for n in range(5)]
    assert recording.arrivals[0].raw_ns == 100 * SECOND + 10_001
    assert recording.shift_ns == 0


def another_boot(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE measurements SET boot_id = 'feed-beef' WHERE raw_ns >= ?", (292 * SECOND,)
        )
    connection.close()


def test_of_several_boots_one_has_to_be_chosen(past):
    another_boot(past)
    with pytest.raises(RecordingError, match=r"several boots.*--boot.*feed-beef \(2 measurements"):
        read_recording(str(past))
    assert len(read_recording(str(past), boot="feed").arrivals) == 2
    with pytest.raises(RecordingError, match="has no boot dead"):
        read_recording(str(past), boot="dead")


def test_a_boot_of_a_table_makes_no_sense(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("t_s,offset_s\n1,0\n")
    with pytest.raises(RecordingError, match="--boot has no meaning"):
        read_recording(str(path), boot="feed")


def test_other_databases_are_refused(tmp_path, past):
    foreign = tmp_path / "foreign.sqlite3"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with pytest.raises(RecordingError, match="another program's database"):
        read_recording(str(foreign))
    past.write_bytes(past.read_bytes()[:5000])
    with pytest.raises(RecordingError, match="cannot be read as a history"):
        read_recording(str(past))


def test_an_empty_history_is_told(tmp_path):
    path = tmp_path / "empty.sqlite3"
    open_history(path, 30).history.close()
    with pytest.raises(RecordingError, match="holds no measurements"):
        read_recording(str(path))
