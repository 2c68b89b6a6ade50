//! The contracts on file.

/// A contract.
pub(super) struct Contract {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// With whom.
    pub(super) party: &'static str,
    /// RFC 3339, full-date.
    pub(super) in_force_from: &'static str,
    pub(super) text: &'static str,
}

/// All of them.
pub(super) static CONTRACTS: [Contract; 3] = [
    Contract {
        id: "msa-2026",
        title: "Master Services Agreement 2026",
        party: "Northwind Cloud Ltd.",
        in_force_from: "2026-02-01",
        text: include_str!("contracts/msa-2026.txt"),
    },
    Contract {
        id: "nda-fabrikam",
        title: "Mutual Non-Disclosure Agreement",
        party: "Fabrikam GmbH",
        in_force_from: "2025-09-15",
        text: include_str!("contracts/nda-fabrikam.txt"),
    },
    Contract {
        id: "lease-lisbon",
        title: "Office Lease, Lisbon",
        party: "Tejo Imobiliária S.A.",
        in_force_from: "2026-06-01",
        text: include_str!("contracts/lease-lisbon.txt"),
    },
];

impl Contract {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        CONTRACTS.iter().find(|contract| contract.id == id)
    }

    pub(super) fn uri(&self) -> String {
        format!("contract://{}", self.id)
    }
}
