//! The books: a budget that is fixed, and expenses that can be approved once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::server::Failed;

/// Department, planned, spent; in euros.
const BUDGET: [(&str, u64, u64); 4] = [
    ("Engineering", 2_400_000, 1_985_400),
    ("Legal", 380_000, 301_250),
    ("Marketing", 760_000, 812_900),
    ("Operations", 1_150_000, 934_700),
];

/// The books of one server, in memory. Clones share them.
#[derive(Clone)]
pub(super) struct Books(Arc<Mutex<Vec<Expense>>>);

/// One expense report.
#[derive(Clone, Debug)]
pub(super) struct Expense {
    id: &'static str,
    who: &'static str,
    what: &'static str,
    amount_eur: u64,
    /// `None` while it is open.
    approved_by: Option<String>,
    /// From which account.
    paid_from: Option<String>,
}

/// Why an expense was not approved, or not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is none of that id.
    Unknown,
    /// Somebody was faster.
    ApprovedBy(String),
    /// Nobody has approved it.
    Open,
    /// That was done already.
    Paid,
}

impl Books {
    pub(super) fn of_2026() -> Self {
        let open = |id, who, what, amount_eur| Expense {
            id,
            who,
            what,
            amount_eur,
            approved_by: None,
            paid_from: None,
        };
        Self(Arc::new(Mutex::new(vec![
            open("E-1001", "bob", "Train to the Lisbon office, two days", 412),
            open("E-1002", "carol", "Conference ticket", 890),
            Expense {
                approved_by: Some("dave".to_owned()),
                ..open("E-0998", "bob", "Replacement headset", 129)
            },
        ])))
    }

    /// The budget of each department, or of the one called so.
    pub(super) fn departments(&self, only: Option<&str>) -> Vec<Value> {
        let wanted = |name: &str| only.is_none_or(|only| only.eq_ignore_ascii_case(name));
        let entry = |(name, planned, spent): &(&str, u64, u64)| json!({ "name": name, "planned_eur": planned, "spent_eur": spent });
        BUDGET.iter().filter(|(name, ..)| wanted(name)).map(entry).collect()
    }

    /// The budget as one document.
    pub(super) fn budget(&self) -> Value {
        json!({ "year": 2026, "currency": "EUR", "departments": self.departments(None) })
    }

    /// The expenses that are `open` or `approved`, or all.
    pub(super) fn expenses(&self, state: Option<&str>) -> Vec<Expense> {
        self.lock()
            .iter()
            .filter(|expense| state.is_none_or(|state| expense.state() == state))
            .cloned()
            .collect()
    }

    /// Approves an open expense in the name of `manager`.
    pub(super) fn approve(&self, id: &str, manager: &str) -> Result<Expense, Refused> {
        let mut expenses = self.lock();
        let expense = expenses.iter_mut().find(|expense| expense.id == id).ok_or(Refused::Unknown)?;
        if let Some(who) = &expense.approved_by {
            return Err(Refused::ApprovedBy(who.clone()));
        }
        expense.approved_by = Some(manager.to_owned());
        Ok(expense.clone())
    }

    /// An expense that is approved, and not paid yet.
    pub(super) fn payable(&self, id: &str) -> Result<Expense, Refused> {
        let expenses = self.lock();
        let expense = expenses.iter().find(|expense| expense.id == id).ok_or(Refused::Unknown)?;
        expense.payable().cloned()
    }

    /// Pays it.
    pub(super) fn pay(&self, id: &str, account: &str) -> Result<Expense, Refused> {
        let mut expenses = self.lock();
        let expense = expenses.iter_mut().find(|expense| expense.id == id).ok_or(Refused::Unknown)?;
        expense.payable()?;
        expense.paid_from = Some(account.to_owned());
        Ok(expense.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Expense>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    /// What a model is told.
    pub(super) fn of(self, id: &str) -> Failed {
        Failed(match self {
            Self::Unknown => format!("There is no expense `{id}`; `list_expenses` says which there are."),
            Self::ApprovedBy(who) => format!("The expense `{id}` was approved by {who} already."),
            Self::Open => format!("Nobody has approved the expense `{id}` yet; `approve_expense` does."),
            Self::Paid => format!("The expense `{id}` was paid already."),
        })
    }
}

impl Expense {
    /// For people.
    pub(super) fn line(&self) -> String {
        let Self { id, who, what, amount_eur, approved_by, paid_from } = self;
        let state = match (approved_by, paid_from) {
            (_, Some(account)) => format!("paid from {account}"),
            (Some(manager), None) => format!("approved by {manager}"),
            (None, None) => "open".to_owned(),
        };
        format!("{id}: {amount_eur} EUR, {who}, {what} ({state})")
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let Self { id, who, what, amount_eur, .. } = self;
        let mut entry =
            json!({ "id": id, "who": who, "what": what, "amount_eur": amount_eur, "state": self.state() });
        if let Some(manager) = &self.approved_by {
            entry["approved_by"] = manager.as_str().into();
        }
        if let Some(account) = &self.paid_from {
            entry["paid_from"] = account.as_str().into();
        }
        entry
    }

    fn state(&self) -> &'static str {
        match (&self.approved_by, &self.paid_from) {
            (_, Some(_)) => "paid",
            (Some(_), None) => "approved",
            (None, None) => "open",
        }
    }

    /// For the question.
    pub(super) fn payment(&self) -> String {
        format!("Pay {} EUR to {} for {}: {}?", self.amount_eur, self.who, self.id, self.what)
    }

    fn payable(&self) -> Result<&Self, Refused> {
        match (&self.approved_by, &self.paid_from) {
            (_, Some(_)) => Err(Refused::Paid),
            (None, None) => Err(Refused::Open),
            (Some(_), None) => Ok(self),
        }
    }
}
