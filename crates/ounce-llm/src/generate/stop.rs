//! Stop strings in a stream of text pieces.

/// Cuts a stream of text at the first stop string, also one that spans pieces: text that could be the beginning of a
/// stop string is held back until it is decided.
#[derive(Debug, Default)]
pub struct StopScanner {
    stops: Vec<String>,
    held: String,
}

/// What [`StopScanner::push`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Text that is certain to stand before any stop string.
    pub text: String,
    /// Whether a stop string follows it; nothing may be pushed after that.
    pub stopped: bool,
}

impl StopScanner {
    /// A scanner for `stops`; empty ones are ignored.
    pub fn new(stops: &[String]) -> Self {
        Self { stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(), held: String::new() }
    }

    /// Takes the next piece and gives back what can be shown by now.
    pub fn push(&mut self, piece: &str) -> Scanned {
        self.held.push_str(piece);
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = first {
            self.held.truncate(at);
            return Scanned { text: std::mem::take(&mut self.held), stopped: true };
        }
        let certain = self.held.len() - self.undecided();
        let rest = self.held.split_off(certain);
        Scanned { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was held back, when the stream has ended without a stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Length in bytes of the longest end of `held` that begins a stop string.
    fn undecided(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0).saturating_sub(1);
        let from = self.held.len().saturating_sub(longest);
        (from..self.held.len())
            .filter(|&at| self.held.is_char_boundary(at))
            .find(|&at| self.stops.iter().any(|stop| stop.starts_with(&self.held[at..])))
            .map_or(0, |at| self.held.len() - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
        let mut scanner = StopScanner::new(&stops);
        let mut text = String::new();
        for piece in pieces {
            let scanned = scanner.push(piece);
            text += &scanned.text;
            if scanned.stopped {
                return (text, true);
            }
        }
        (text + &scanner.finish(), false)
    }

    #[test]
    fn a_stop_string_across_pieces_is_not_shown() {
        assert_eq!(run(&["\nUser:"], &["Hello", "\n", "Us", "er", ": x"]), ("Hello".into(), true));
        assert_eq!(run(&["\nUser:"], &["Hello", "\n", "Us", "ual"]), ("Hello\nUsual".into(), false));
        assert_eq!(run(&["ab", "abc"], &["xab", "c"]), ("x".into(), true));
        assert_eq!(run(&["é!"], &["caf", "é", "?", "é", "!"]), ("café?".into(), true));
        assert_eq!(run(&[""], &["a"]), ("a".into(), false));
    }

    proptest! {
        /// However the text is cut into pieces, the result is that of looking at the whole text.
        #[test]
        fn pieces_do_not_matter(
            text in "[ab\u{e9}]{0,20}",
            stops in prop::collection::vec("[ab\u{e9}]{1,4}", 0..3),
            cuts in prop::collection::vec(0usize..20, 0..6),
        ) {
            let whole = stops.iter().filter_map(|s| text.find(s.as_str())).min();
            let chars: Vec<char> = text.chars().collect();
            let mut cuts = cuts;
            cuts.retain(|&cut| cut <= chars.len());
            cuts.sort_unstable();
            cuts.push(chars.len());
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(chars[from..cut].iter().collect::<String>());
                from = cut;
            }
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (shown, stopped) = run(&stops, &pieces);
            prop_assert_eq!(stopped, whole.is_some());
            // A longer stop string that begins earlier may be completed later than a shorter one inside it.
            match whole {
                Some(_) => prop_assert!(stops.iter().all(|stop| !shown.contains(stop)) && text.starts_with(&shown)),
                None => prop_assert_eq!(shown, text),
            }
        }
    }
}
