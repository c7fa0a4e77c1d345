//! Schedules and the times they name.

use proptest::prelude::*;

use super::*;

/// The next times after `after`, one per line, in the zone's own clock.
fn times(schedule: &str, zone: &str, after: &str, count: usize) -> String {
    let schedule = Schedule::parse(schedule).unwrap().in_zone(zone).unwrap();
    let mut time = Timestamp::parse(after).unwrap();
    let mut lines = Vec::new();
    for _ in 0..count {
        let Some(next) = schedule.next(time) else { break };
        lines.push(schedule.local(next).unwrap().strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string());
        time = next;
    }
    lines.join("\n")
}

#[test]
fn fields_names_ranges_and_steps() {
    expect_test::expect![[r#"
        Wed 2026-01-28 00:20:00 +00:00
        Wed 2026-01-28 00:40:00 +00:00
        Wed 2026-01-28 01:00:00 +00:00"#]]
    .assert_eq(&times("*/20 * * * *", "UTC", "2026-01-28T00:00:00Z", 3));
    expect_test::expect![[r#"
        Mon 2026-02-02 09:30:00 +00:00
        Tue 2026-02-03 09:30:00 +00:00
        Wed 2026-02-04 09:30:00 +00:00"#]]
    .assert_eq(&times("30 9 * FEB mon-wed", "UTC", "2026-01-28T00:00:00Z", 3));
    expect_test::expect![[r#"
        Fri 2026-02-13 00:00:00 +00:00
        Fri 2026-02-20 00:00:00 +00:00
        Fri 2026-02-27 00:00:00 +00:00"#]]
    .assert_eq(&times("0 0 13 2 5", "UTC", "2026-02-07T00:00:00Z", 3));
    expect_test::expect!["Tue 2028-02-29 12:00:00 +00:00"].assert_eq(&times(
        "0 12 29 2 *",
        "UTC",
        "2026-03-01T00:00:00Z",
        1,
    ));
    assert_eq!(times("0 0 30 2 *", "UTC", "2026-03-01T00:00:00Z", 1), "");
}

#[test]
fn descriptors() {
    expect_test::expect![[r#"
        Wed 2026-01-28 11:00:00 +00:00
        Wed 2026-01-28 12:00:00 +00:00"#]]
    .assert_eq(&times("@hourly", "UTC", "2026-01-28T10:15:30Z", 2));
    expect_test::expect![[r#"
        Sun 2026-02-01 00:00:00 +00:00
        Sun 2026-02-08 00:00:00 +00:00"#]]
    .assert_eq(&times("@weekly", "UTC", "2026-01-28T10:15:30Z", 2));
    expect_test::expect![[r#"
        Wed 2026-01-28 11:45:30 +00:00
        Wed 2026-01-28 13:15:30 +00:00"#]]
    .assert_eq(&times("@every 1h30m", "UTC", "2026-01-28T10:15:30Z", 2));
}

#[test]
fn clocks_that_change() {
    expect_test::expect![[r#"
        Sat 2026-03-28 02:30:00 +01:00
        Mon 2026-03-30 02:30:00 +02:00"#]]
    .assert_eq(&times("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 2));
    expect_test::expect![[r#"
        Sun 2026-10-25 02:00:00 +02:00
        Sun 2026-10-25 02:30:00 +02:00
        Sun 2026-10-25 02:00:00 +01:00
        Sun 2026-10-25 02:30:00 +01:00
        Sun 2026-10-25 03:00:00 +01:00"#]]
    .assert_eq(&times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 5));
}

#[test]
fn what_is_wrong() {
    let errors: Vec<String> = [
        "",
        "* * * *",
        "60 * * * *",
        "* * 0 * *",
        "5-2 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "* * * * 7",
        "@often",
        "1/2/3 * * * *",
    ]
    .iter()
    .map(|text| Schedule::parse(text).unwrap_err().to_string())
    .collect();
    expect_test::expect![[r#"
        empty spec string
        expected exactly 5 fields, found 4: [* * * *]
        end of range (60) above maximum (59): 60
        beginning of range (0) below minimum (1): 0
        beginning of range (5) beyond end of range (2): 5-2
        step of range should be a positive number: */0
        failed to parse number: a
        end of range (7) above maximum (6): 7
        unrecognized descriptor: @often
        too many slashes: 1/2/3"#]]
    .assert_eq(&errors.join("\n"));
    assert!(Schedule::parse("@daily").unwrap().in_zone("Mars/Olympus").is_none());
}

proptest! {
    /// The latest time is the last one that walking forward meets.
    #[test]
    fn latest_is_the_last_of_all(minutes in 1_i64..3_000, schedule in prop::sample::select(vec!["*/7 * * * *", "0 */5 * * *", "15 3 * * 1", "@every 11m", "0 0 1 * *"])) {
        let schedule = Schedule::parse(schedule).unwrap();
        let after = Timestamp::parse("2026-01-30T23:10:20Z").unwrap();
        let until = Timestamp(after.0 + minutes * 60_000_000);
        let walk = std::iter::successors(schedule.next(after), |time| schedule.next(*time));
        prop_assert_eq!(schedule.latest(after, until), walk.take_while(|time| *time <= until).last());
    }

    #[test]
    fn parsing_never_panics(text in "[-*/,0-9a-z@? ]{0,20}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            let _ = schedule.next(Timestamp(0));
        }
    }
}
