//! The forms a value may have. A form is both the reader of a value and its description in the schema.
//!
//! One expression such as `section.or("drain", "…", duration(…), …)` makes the key known, reads it, bounds it and
//! describes it, so the loader and the schema cannot drift apart.

pub(crate) mod many;
pub(crate) mod scalar;
pub(crate) mod section;
pub(crate) mod units;

use serde_json::Value;

use crate::diagnostic::Problem;
use crate::node::Node;
use crate::place::Place;

/// How a value is read and described.
pub(crate) trait Form {
    /// What the value becomes.
    type Out;

    /// Reads the value at `place`. `None` after at least one error was noted.
    fn read(&self, place: &Place<'_>) -> Option<Self::Out>;

    /// The value's JSON Schema.
    fn schema(&self) -> Value;

    /// Whether the value has the outer shape of this form, whatever is inside.
    fn fits(&self, node: &Node) -> bool;

    /// The form in words that follow "must be".
    fn expects(&self) -> String;
}

/// A form whose values can be written as well, so that a default is shown in the schema.
pub(crate) trait Written: Form {
    /// The value as a person would write it.
    fn write(&self, value: &Self::Out) -> Value;
}

/// One form or the other, told apart by the shape of the value.
pub(crate) struct Either<A, B>(pub(crate) A, pub(crate) B);

impl<A: Form, B: Form<Out = A::Out>> Form for Either<A, B> {
    type Out = A::Out;

    fn read(&self, place: &Place<'_>) -> Option<Self::Out> {
        if self.0.fits(place.node) {
            self.0.read(place)
        } else if self.1.fits(place.node) {
            self.1.read(place)
        } else {
            mismatch(place, &self.expects());
            None
        }
    }

    fn schema(&self) -> Value {
        serde_json::json!({ "anyOf": [self.0.schema(), self.1.schema()] })
    }

    fn fits(&self, node: &Node) -> bool {
        self.0.fits(node) || self.1.fits(node)
    }

    fn expects(&self) -> String {
        format!("{} or {}", self.0.expects(), self.1.expects())
    }
}

/// A form whose value is turned into something else.
pub(crate) struct Turned<F, T> {
    pub(crate) form: F,
    pub(crate) turn: T,
}

impl<F: Form, O, T: Fn(F::Out) -> O> Form for Turned<F, T> {
    type Out = O;

    fn read(&self, place: &Place<'_>) -> Option<O> {
        self.form.read(place).map(&self.turn)
    }

    fn schema(&self) -> Value {
        self.form.schema()
    }

    fn fits(&self, node: &Node) -> bool {
        self.form.fits(node)
    }

    fn expects(&self) -> String {
        self.form.expects()
    }
}

/// Notes that the value at `place` has the wrong shape.
pub(crate) fn mismatch(place: &Place<'_>, expected: &str) {
    place.error(Problem::new(format!("must be {expected}, is {}", place.node.describe())));
}
