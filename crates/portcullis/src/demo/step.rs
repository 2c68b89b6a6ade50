//! What a step of the tour consists of.

use super::client::Reply;
use super::message::Message;

/// What one thing of the gateway looks like: one exchange, or a few of which a later one needs what an earlier one said.
pub struct Step {
    /// What it shows, in one line without quotes or parentheses: shells read it.
    pub title: &'static str,
    /// What is done, in this order.
    pub exchanges: Vec<Exchange>,
}

/// Something that is sent, and what comes of it.
pub struct Exchange {
    /// What to look for in the answer; empty where that is nothing. As the title, without what shells would read.
    pub look_for: &'static str,
    /// What is sent.
    pub act: Act,
    /// What the shell shows of the answer.
    pub shows: Shows,
    /// What later exchanges need of it.
    pub keeps: &'static [Keep],
    /// Whether the answer is what the tour promises; the error says what it is instead.
    pub expect: fn(&Reply) -> Result<(), String>,
}

/// What is sent.
pub enum Act {
    /// A message; its answer is read to the end.
    Post(Message),
    /// A message whose stream is read up to the first question, and stays open.
    Hold(Message),
    /// Nothing: the rest of that stream is read.
    Rest,
    /// What a person does on the page at `$PAGE`.
    Sign,
}

/// What the shell shows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Status and headers, and the body.
    Head,
    /// The names of tools.
    Names,
    /// The body.
    Body,
}

/// A variable that an answer gives its value.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// The session, from its header.
    Session,
    /// What the first member of this name says.
    Member {
        /// How it is called in later messages.
        variable: &'static str,
        /// The member's name.
        name: &'static str,
    },
}

/// The number of a question on a stream.
pub const ID: Keep = Keep::Member { variable: "ID", name: "id" };
/// What a request has to bring along when it is sent again.
pub const STATE: Keep = Keep::Member { variable: "STATE", name: "requestState" };
/// The page a person is sent to.
pub const PAGE: Keep = Keep::Member { variable: "PAGE", name: "url" };

impl Keep {
    /// What it is called.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Session => "SESSION",
            Self::Member { variable, .. } => variable,
        }
    }
}

impl Step {
    /// A step of one exchange.
    pub fn one(title: &'static str, exchange: Exchange) -> Self {
        Self { title, exchanges: vec![exchange] }
    }
}

impl Exchange {
    /// A message with nothing to see in its answer, which only has to be taken.
    pub fn taken(message: Message) -> Self {
        Self {
            look_for: "",
            act: Act::Post(message),
            shows: Shows::Body,
            keeps: &[],
            expect: |reply| match reply.status {
                202 => Ok(()),
                _ => Err(reply.summary()),
            },
        }
    }
}
