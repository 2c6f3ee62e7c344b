//! Options that say nothing to the method or the format chosen.

/// An option was given that would change nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} does not apply to {to}; {advice}")]
pub(crate) struct DoesNotApply {
    /// The option, as it is given.
    pub(crate) option: &'static str,
    /// The method or the format.
    pub(crate) to: &'static str,
    /// What to do instead.
    pub(crate) advice: &'static str,
}

/// An option, whether it was given, and what it is for.
pub(crate) struct Given {
    pub(crate) option: &'static str,
    pub(crate) given: bool,
    pub(crate) applies: bool,
    pub(crate) advice: &'static str,
}

/// Finds the first option that does not apply to `to`.
///
/// # Errors
/// [`DoesNotApply`].
pub(crate) fn check(to: &'static str, options: &[Given]) -> Result<(), DoesNotApply> {
    match options.iter().find(|option| option.given && !option.applies) {
        Some(&Given { option, advice, .. }) => Err(DoesNotApply { option, to, advice }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_does_not_apply_is_named() {
        let option = |option, given, applies| Given { option, given, applies, advice: "leave it out" };
        let fine = [option("--a", true, true), option("--b", false, false)];
        assert_eq!(check("awq", &fine), Ok(()));
        let wrong = [option("--a", true, true), option("--b", true, false), option("--c", true, false)];
        let error = check("awq", &wrong).unwrap_err();
        assert_eq!(error, DoesNotApply { option: "--b", to: "awq", advice: "leave it out" });
        assert_eq!(error.to_string(), "--b does not apply to awq; leave it out");
    }
}
