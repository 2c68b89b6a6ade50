//! What a server may ask of a client through this gateway, and how the question reads there.
//!
//! Pure. A question that passes says which target asks: in the message, which a person sees, and for legacy clients in
//! `_meta`, which a program sees.

use std::sync::Arc;
use std::time::Duration;

use config::{FormSecrets, Rule, Sampling};
use mcp::code::{ANSWER_TOO_LARGE, BACKEND_BROKE_PROTOCOL, ErrorObject, MISSING_CAPABILITY, POLICY_DENIED};
use mcp::{Edit, Era, Object, Raw, meta};
use serde_json::{Value, json};
use upstream::{Abilities, QuestionKind as Kind};

use crate::{address, form};

#[cfg(test)]
pub(crate) mod tests;

/// The members of a question that are judged.
const JUDGED: [&str; 12] = [
    "mode",
    "message",
    "url",
    "elicitationId",
    "requestedSchema",
    "messages",
    "systemPrompt",
    "includeContext",
    "maxTokens",
    "tools",
    "toolChoice",
    "_meta",
];

/// What the servers of one target may ask in one call.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who asks.
    pub target: Arc<str>,
    /// How the client speaks.
    pub era: Era,
    /// What it is not the client's fault that it cannot be asked: what it declared, and what the target may ask nobody.
    pub declared: Abilities,
    /// What of that the target may ask.
    pub may: Abilities,
    /// Whether forms may ask for secrets.
    pub form_secrets: FormSecrets,
    /// Whether people may be sent to private addresses.
    pub private_urls: Rule,
    /// How much the client's model may generate.
    pub sampling: Option<Sampling>,
    /// The roots that the target is told without its client: the result of `roots/list`.
    pub roots: Option<Raw>,
    /// Questions in one call.
    pub questions: usize,
    /// Times a call may need answers.
    pub rounds: usize,
    /// The largest question, in bytes.
    pub question_bytes: usize,
    /// Those that are open at a time, in bytes.
    pub round_bytes: usize,
    /// How long a person has to answer.
    pub patience: Duration,
}

/// What one call has asked of its client so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Times it needed answers to go on.
    pub(crate) rounds: usize,
    /// Questions in those.
    pub(crate) questions: usize,
    /// Questions to the client's model.
    pub(crate) sampled: usize,
}

/// Why a question does not reach the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The client cannot be asked this.
    #[error("asks its client for something that was not offered to it")]
    Undeclared(Abilities),
    /// The address is none that a person may be sent to.
    #[error("sends people to an address that is not allowed: {0}")]
    Address(&'static str),
    /// A form asks for a secret.
    #[error(
        "asks for a secret in a form (`{word}`, in the field `{field}`), which this gateway does not allow; it should send \
         people to a page instead, or the gateway may say `form_secrets: allow`"
    )]
    Secret {
        /// The field; `message` where the text above the form says it.
        field: String,
        /// What names the secret there.
        word: &'static str,
    },
    /// The client's model is asked too often.
    #[error("has the client's model generate more often than `sampling.{0}` allows")]
    Sampling(&'static str),
    /// It needs answers too often.
    #[error("asks in more than {0} rounds of one call (`limits.rounds`)")]
    Rounds(usize),
    /// It asks too much.
    #[error("asks more than {0} questions in one call (`limits.questions`)")]
    Questions(usize),
    /// It is too large.
    #[error("asks something larger than `limits.{0}` allows")]
    Large(&'static str),
    /// It cannot be understood.
    #[error("asks its client something that cannot be understood: {0}")]
    Malformed(&'static str),
}

/// A question as the client is to read it.
#[derive(Clone, Debug)]
pub(crate) struct Fair {
    pub(crate) params: Raw,
    /// What the answer has to fit.
    pub(crate) form: Option<Value>,
}

impl Spent {
    /// Counts one more round of so many questions.
    ///
    /// # Errors
    /// It is one too many.
    pub(crate) fn round(&mut self, questions: usize, rules: &Rules) -> Result<(), Refused> {
        self.rounds += 1;
        self.questions += questions;
        if self.rounds > rules.rounds {
            return Err(Refused::Rounds(rules.rounds));
        }
        if self.questions > rules.questions {
            return Err(Refused::Questions(rules.questions));
        }
        Ok(())
    }

    pub(crate) fn to_value(self) -> Value {
        json!([self.rounds, self.questions, self.sampled])
    }

    pub(crate) fn of_value(value: &Value) -> Option<Self> {
        let count = |index: usize| usize::try_from(value.get(index)?.as_u64()?).ok();
        Some(Self { rounds: count(0)?, questions: count(1)?, sampled: count(2)? })
    }

    /// Counts a question, if it is one to the client's model.
    ///
    /// # Errors
    /// It is one too many.
    pub(crate) fn ask(&mut self, kind: Kind, rules: &Rules) -> Result<(), Refused> {
        let (Kind::Sampling, Some(bounds)) = (kind, rules.sampling) else { return Ok(()) };
        self.sampled += 1;
        if self.sampled > bounds.calls { Err(Refused::Sampling("calls")) } else { Ok(()) }
    }
}

impl Rules {
    /// Judges a question.
    ///
    /// # Errors
    /// It must not reach the client.
    pub(crate) fn judge(&self, kind: Kind, params: &Object) -> Result<Fair, Refused> {
        let needs = kind.needs(params);
        if !self.may.contains(needs) {
            return Err(Refused::Undeclared(needs));
        }
        if params.text().as_bytes().len() > self.question_bytes {
            return Err(Refused::Large("question_bytes"));
        }
        // What is judged here is what every client reads: no key twice, at any depth, and none in another spelling.
        let twice = mcp::scan::scan(params.text().as_bytes(), usize::MAX, mcp::scan::Sender::Client).is_err();
        if twice || params.has_case_variant_of(&JUDGED) {
            return Err(Refused::Malformed("a key stands in it twice, or in another spelling"));
        }
        let mut form = None;
        let mut edit = Edit::of(params);
        match kind {
            Kind::Form => {
                let schema = params.object("requestedSchema").ok_or(Refused::Malformed("it has no form"))?;
                form = Some(self.fair_form(schema.text(), params)?);
                edit = edit.remove("url");
            }
            Kind::Url => {
                let address = params.string("url").ok_or(Refused::Malformed("it has no address"))?;
                address::check(&address, self.private_urls).map_err(Refused::Address)?;
                edit = edit.remove("requestedSchema");
                edit = match (self.era, params.get("elicitationId").is_some()) {
                    // 2026-07-28 knows no such id; 2025-11-25 demands one.
                    (Era::Modern, _) => edit.remove("elicitationId"),
                    (Era::Legacy, false) => edit.set("elicitationId", Raw::string(&seal::random_id())),
                    (Era::Legacy, true) => edit,
                };
            }
            Kind::Sampling => edit = self.bounded(params, edit)?,
            Kind::Roots => {}
        }
        if matches!(kind, Kind::Form | Kind::Url) {
            let message = params.string("message").ok_or(Refused::Malformed("it has no message"))?;
            // Who wrote it.
            edit = edit.set("message", Raw::string(&format!("[{}] {message}", self.target)));
        }
        Ok(Fair { params: self.marked(params, edit), form })
    }

    /// What the gateway answers itself.
    pub(crate) fn own_answer(&self, kind: Kind) -> Option<&Raw> {
        self.roots.as_ref().filter(|_| kind == Kind::Roots)
    }

    /// The error that ends a call whose modern server asks what it may not.
    pub(crate) fn error(&self, refused: &Refused) -> ErrorObject {
        let sentence = format!("The server `{}` {refused}; ask its operator.", self.target);
        match refused {
            Refused::Undeclared(needs) if self.era == Era::Modern && !self.declared.contains(*needs) => {
                let needs = needs.without(self.declared).to_capabilities();
                let sentence = format!(
                    "The server `{}` needs a capability that the client did not declare.",
                    self.target
                );
                ErrorObject::new(MISSING_CAPABILITY, sentence)
                    .with_data(json!({ "requiredCapabilities": needs }))
            }
            Refused::Undeclared(_)
            | Refused::Address(_)
            | Refused::Rounds(_)
            | Refused::Questions(_)
            | Refused::Malformed(_) => ErrorObject::new(BACKEND_BROKE_PROTOCOL, sentence),
            Refused::Large(_) => ErrorObject::new(ANSWER_TOO_LARGE, sentence),
            Refused::Secret { .. } | Refused::Sampling(_) => ErrorObject::new(POLICY_DENIED, sentence),
        }
    }

    fn fair_form(&self, schema: &Raw, params: &Object) -> Result<Value, Refused> {
        let schema = schema.to_value();
        let secret = match self.form_secrets {
            FormSecrets::Allow => None,
            FormSecrets::Refuse => form::asks_for_secret(&schema),
            FormSecrets::RefuseInText => {
                let says = || {
                    let word = form::names_secret(&params.string("message")?)?;
                    form::takes_text(&schema).then_some(form::Secret { field: "message", word })
                };
                form::asks_for_secret(&schema).or_else(says)
            }
        };
        if let Some(form::Secret { field, word }) = secret {
            let field = field.chars().filter(|letter| !letter.is_control()).take(64).collect();
            return Err(Refused::Secret { field, word });
        }
        Ok(schema)
    }

    fn bounded<'a>(&self, params: &Object, mut edit: Edit<'a>) -> Result<Edit<'a>, Refused> {
        let bounds = self.sampling.ok_or(Refused::Undeclared(Abilities::SAMPLING))?;
        let wanted = params.get("maxTokens").and_then(|tokens| tokens.to_u64());
        if wanted.is_none_or(|wanted| wanted > bounds.max_tokens) {
            edit = edit.set("maxTokens", Raw::number(bounds.max_tokens));
        }
        // What other servers said is nobody's to ask for unless the client offers it.
        if !self.may.contains(Abilities::CONTEXT) {
            edit = edit.remove("includeContext");
        }
        Ok(edit)
    }

    fn marked(&self, params: &Object, edit: Edit<'_>) -> Raw {
        let empty = Object::empty();
        let own = params.meta().filter(|own| !own.has_duplicate_keys());
        let meta = Edit::of(own.unwrap_or(&empty)).remove(meta::PROGRESS_TOKEN);
        let meta = meta.remove_where(|key| key.starts_with("dev.portcullis/"));
        let meta = match self.era {
            Era::Legacy => meta.set(meta::TARGET, Raw::string(&self.target)).finish().into_raw(),
            // There it stands in the result that carries the question.
            Era::Modern => meta.finish().into_raw(),
        };
        let said = Object::of(&meta).is_some_and(|meta| !meta.is_empty());
        let edit = if said { edit.set("_meta", meta) } else { edit.remove("_meta") };
        edit.finish().into_raw()
    }
}
