//! `strftime_now`: the date that some templates write into the system message. In UTC, since a library reads no time zone.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::{Error, ErrorKind};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Seconds since 1970 by the system's clock; 0 if it stands before that.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The directives of C's `strftime` that dates in templates are made of.
pub(super) fn strftime(format: &str, seconds: u64) -> Result<String, Error> {
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let hour12 = (hour + 11) % 12 + 1;
    let weekday = DAYS[((days + 4) % 7) as usize];
    let month_name = MONTHS[(month - 1) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = chars.next();
        let (padded, directive) =
            if directive == Some('-') { (false, chars.next()) } else { (true, directive) };
        let mut number = |n: u64, width: usize| {
            let _ = write!(out, "{n:0width$}", width = if padded { width } else { 0 });
        };
        match directive {
            Some('Y') => number(year, 4),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month, 2),
            Some('d') => number(day, 2),
            Some('H') => number(hour, 2),
            Some('I') => number(hour12, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second, 2),
            Some('j') => number(days - days_of(year) + 1, 3),
            Some('e') => {
                let _ = write!(out, "{day:2}");
            }
            Some('B') => out.push_str(month_name),
            Some('b' | 'h') => out.push_str(&month_name[..3]),
            Some('A') => out.push_str(weekday),
            Some('a') => out.push_str(&weekday[..3]),
            Some('p') => out.push_str(if hour < 12 { "AM" } else { "PM" }),
            Some('F') => {
                let _ = write!(out, "{year:04}-{month:02}-{day:02}");
            }
            Some('T') => {
                let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
            }
            Some('Z') => out.push_str("UTC"),
            Some('%') => out.push('%'),
            other => {
                let problem = format!(
                    "strftime_now: directive %{} is not supported",
                    other.map_or(String::new(), String::from)
                );
                return Err(Error::new(ErrorKind::InvalidOperation, problem));
            }
        }
    }
    Ok(out)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_of(year: u64) -> u64 {
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// Year, month and day (from 1) of a day since 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_of(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_of(year);
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::strftime;

    /// Expected values from Python's `datetime.utcfromtimestamp(t).strftime(...)`.
    #[test]
    fn dates_are_those_of_python() {
        let all = |t| strftime("%Y-%m-%d %H:%M:%S %a %A %b %B %y %j %I %p %-d|%%", t).unwrap();
        assert_eq!(all(0), "1970-01-01 00:00:00 Thu Thursday Jan January 70 001 12 AM 1|%");
        assert_eq!(all(951_782_399), "2000-02-28 23:59:59 Mon Monday Feb February 00 059 11 PM 28|%");
        assert_eq!(all(951_782_400), "2000-02-29 00:00:00 Tue Tuesday Feb February 00 060 12 AM 29|%");
        assert_eq!(all(1_735_603_200), "2024-12-31 00:00:00 Tue Tuesday Dec December 24 366 12 AM 31|%");
        assert_eq!(all(4_107_542_400), "2100-03-01 00:00:00 Mon Monday Mar March 00 060 12 AM 1|%");
        assert!(strftime("%Q", 0).is_err() && strftime("%", 0).is_err());
    }
}
