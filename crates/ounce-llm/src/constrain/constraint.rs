//! The state of one text under its grammar.

use llguidance::Matcher;
use llguidance::api::StopReason;

use super::ConstraintError;
use super::error::message;

/// The state of one text under its grammar. A clone goes its own way.
pub struct Constraint {
    matcher: Matcher,
    vocabulary: usize,
}

impl Clone for Constraint {
    fn clone(&self) -> Constraint {
        // The library's plain clones share a cache behind a lock, and what makes one fail makes all fail.
        Constraint { matcher: self.matcher.deep_clone(), vocabulary: self.vocabulary }
    }
}

impl Constraint {
    pub(super) fn new(matcher: Matcher, vocabulary: usize) -> Constraint {
        Constraint { matcher, vocabulary }
    }

    /// Sets the logits of forbidden tokens to `-inf`, those above the vocabulary included, and leaves the others as they are. All of the tokenizer's
    /// end-of-generation tokens are allowed where the text may end, and nothing else once it is [complete](Self::is_complete).
    ///
    /// # Errors
    /// [`ConstraintError::Complete`] if the text must end but no token does that; [`ConstraintError::Failed`].
    pub fn mask(&mut self, logits: &mut [f32]) -> Result<(), ConstraintError> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| failed(&error))?;
        if allowed.is_zero() {
            return Err(ConstraintError::Complete);
        }
        let bits = allowed.as_slice();
        let covered = self.vocabulary.min(logits.len());
        let (logits, above) = logits.split_at_mut(covered);
        above.fill(f32::NEG_INFINITY);
        for (&word, logits) in bits.iter().zip(logits.chunks_mut(u32::BITS as usize)) {
            match word {
                u32::MAX => {}
                0 => logits.fill(f32::NEG_INFINITY),
                _ => {
                    for (bit, logit) in logits.iter_mut().enumerate() {
                        *logit = if word >> bit & 1 == 1 { *logit } else { f32::NEG_INFINITY };
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the token that was chosen. An end-of-generation token completes the text; after that only such tokens are accepted, and change nothing.
    ///
    /// # Errors
    /// [`ConstraintError::NotAllowed`], after which the text goes on from where it was; [`ConstraintError::Failed`].
    pub fn accept(&mut self, token: u32) -> Result<(), ConstraintError> {
        if self.is_complete() {
            return if self.is_end(token) { Ok(()) } else { Err(ConstraintError::NotAllowed(token)) };
        }
        if token as usize >= self.vocabulary {
            return Err(ConstraintError::NotAllowed(token));
        }
        match self.matcher.try_consume_tokens(&[token]) {
            Ok(0) => Err(ConstraintError::NotAllowed(token)),
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Whether nothing but the end can follow. A caller may stop here without sampling an end-of-generation token.
    pub fn is_complete(&self) -> bool {
        matches!(self.matcher.stop_reason(), StopReason::NoExtension | StopReason::EndOfSentence)
    }

    /// Whether the text may end here, though perhaps it need not.
    pub fn may_end(&mut self) -> bool {
        self.is_complete() || self.matcher.is_accepting().unwrap_or(false)
    }

    /// The tokens that must come next, of which none needs logits: to be accepted one by one and fed at once. Empty where
    /// there is a choice, for a factory [without encoder](super::ConstraintFactory::new), and after an error.
    pub fn forced(&mut self) -> Vec<u32> {
        if self.is_complete() { Vec::new() } else { self.matcher.compute_ff_tokens() }
    }

    /// What of a lenient schema is not enforced, and what the library thinks unwise.
    pub fn warnings(&mut self) -> Vec<String> {
        self.matcher.grammar_warnings()
    }

    fn is_end(&self, token: u32) -> bool {
        self.matcher.tok_env().is_ok_and(|env| env.tok_trie().eos_tokens().contains(&token))
    }
}

fn failed(error: &impl ToString) -> ConstraintError {
    ConstraintError::Failed(message(error))
}
