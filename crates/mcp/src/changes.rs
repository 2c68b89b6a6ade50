//! How changed lists are told: by which notification, and by which flag a modern client asks for it. Resources and their
//! templates are told as one.

use crate::Kind;

/// The notification, the flag of `subscriptions/listen`, and the lists.
const CHANGES: [(&str, &str, &[Kind]); 3] = [
    ("notifications/tools/list_changed", "toolsListChanged", &[Kind::Tool]),
    ("notifications/prompts/list_changed", "promptsListChanged", &[Kind::Prompt]),
    ("notifications/resources/list_changed", "resourcesListChanged", &[Kind::Resource, Kind::Template]),
];

impl Kind {
    /// The lists that changed when a server says this; none, when it says something else.
    #[must_use]
    pub fn changed_by(notification: &str) -> &'static [Self] {
        let told = CHANGES.into_iter().find(|(name, _, _)| *name == notification);
        told.map_or(&[], |(_, _, kinds)| kinds)
    }

    /// The notification that says that the list changed.
    #[must_use]
    pub fn change(self) -> &'static str {
        self.told().0
    }

    /// The flag by which a modern client asks to be told.
    #[must_use]
    pub fn listen_flag(self) -> &'static str {
        self.told().1
    }

    fn told(self) -> (&'static str, &'static str) {
        let told = CHANGES.into_iter().find(|(_, _, kinds)| kinds.contains(&self));
        told.map_or(("", ""), |(notification, flag, _)| (notification, flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_told_by_its_own_notification() {
        for kind in Kind::ALL {
            assert!(Kind::changed_by(kind.change()).contains(&kind));
            assert!(kind.listen_flag().starts_with(kind.capability()));
            assert!(kind.change().contains(kind.capability()));
        }
        assert!(Kind::changed_by("notifications/message").is_empty());
    }
}
