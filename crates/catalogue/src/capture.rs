//! What one target answered when its lists were asked for, before any of it is judged.

use mcp::{Kind, Raw};
use upstream::ServerFacts;

/// Everything a target listed at one time.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// What the server said about itself.
    pub facts: Option<ServerFacts>,
    /// `tools/list`, all pages.
    pub tools: Vec<Raw>,
    /// `prompts/list`, all pages.
    pub prompts: Vec<Raw>,
    /// `resources/list`, all pages.
    pub resources: Vec<Raw>,
    /// `resources/templates/list`, all pages.
    pub templates: Vec<Raw>,
    /// Lists that were not read to their end, because all of them together are too long.
    pub cut: Vec<Kind>,
}

impl Capture {
    /// The entries of one list, in the server's order.
    #[must_use]
    pub fn items(&self, kind: Kind) -> &[Raw] {
        match kind {
            Kind::Tool => &self.tools,
            Kind::Prompt => &self.prompts,
            Kind::Resource => &self.resources,
            Kind::Template => &self.templates,
        }
    }

    /// The entries of one list, to be filled.
    pub fn items_mut(&mut self, kind: Kind) -> &mut Vec<Raw> {
        match kind {
            Kind::Tool => &mut self.tools,
            Kind::Prompt => &mut self.prompts,
            Kind::Resource => &mut self.resources,
            Kind::Template => &mut self.templates,
        }
    }

    /// Whether clients would see the same, byte for byte, and the operator the same reports.
    #[must_use]
    pub fn lists_the_same(&self, other: &Self) -> bool {
        let said = |capture: &Self| {
            capture.facts.as_ref().map(|facts| {
                (facts.version, facts.capabilities.clone(), facts.info.clone(), facts.instructions.clone())
            })
        };
        self.cut == other.cut
            && Kind::ALL.into_iter().all(|kind| self.items(kind) == other.items(kind))
            && said(self) == said(other)
    }
}
