//! One entry of a list, as a server wrote it and as clients see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use config::{Gateway, Target};
use mcp::param_header::ParamHeaders;
use mcp::template::Template;
use mcp::{Edit, Kind, Object, Raw, Splice};

use crate::name;
use crate::report::Reason;
use crate::status;

/// The longest name, URI or URI template of an entry, in bytes. Well above what servers use and well below what a
/// request line, a log or a cursor can take.
pub(crate) const NAME_BYTES_MAX: usize = 8 * 1024;

/// SHA-256 of an exposed name.
pub(crate) type NameDigest = [u8; 32];

/// Who answers for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The gateway itself.
    Gateway,
    /// The target of this name.
    Target(Arc<str>),
}

/// Whether a tool is called as a task (MCP 2025-11-25, `execution.taskSupport`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSupport {
    /// Not, as far as its definition says.
    #[default]
    Forbidden,
    /// If the client wants to.
    Optional,
    /// Always.
    Required,
}

/// One tool, prompt, resource or resource template.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which list it stands in.
    pub kind: Kind,
    /// Who answers for it.
    pub owner: Owner,
    /// The server's own name (tool, prompt), URI or URI template.
    pub upstream: Arc<str>,
    /// What clients call it. URIs and templates are not changed.
    pub exposed: Arc<str>,
    /// The entry as clients see it: every byte the server's, but for the name.
    pub text: Raw,
    /// The same without `execution`, which 2026-07-28 does not have; `None`: there is none in it.
    pub modern: Option<Raw>,
    /// The entry as the server wrote it.
    pub original: Raw,
    /// The human-readable `title`, if there is one.
    pub title: Option<String>,
    /// A tool's `outputSchema`, if it has one.
    pub output_schema: Option<Raw>,
    /// Whether a tool is called as a task.
    pub task_support: TaskSupport,
    /// The arguments of a tool that `Mcp-Param-*` headers repeat.
    pub param_headers: ParamHeaders,
    /// The `resource_priority` of its target: the lower goes first where several targets could answer.
    pub priority: u16,
    /// A template, parsed for routing.
    pub(crate) template: Option<Template>,
}

impl Item {
    /// Reads one entry of `target`'s list.
    ///
    /// # Errors
    /// The reason why the entry must not be offered, and its name as far as it has one.
    pub fn read(
        gateway: &Gateway,
        target: &Target,
        kind: Kind,
        original: &Raw,
    ) -> Result<Self, (String, Reason)> {
        let object = Object::of(original).ok_or_else(|| (String::new(), Reason::NotAnObject))?;
        let key = object.string(kind.item_key()).filter(|key| !key.is_empty());
        let Some(upstream) = key else { return Err((String::new(), Reason::NoKey)) };
        match Self::judged(gateway, target, kind, &object, &upstream) {
            Ok(item) => Ok(item),
            Err(reason) => Err((upstream, reason)),
        }
    }

    /// The gateway's own resource that tells which targets are missing.
    #[must_use]
    pub fn status() -> Self {
        let text = status::listed();
        let uri: Arc<str> = Arc::from(status::URI);
        Self {
            kind: Kind::Resource,
            owner: Owner::Gateway,
            upstream: Arc::clone(&uri),
            exposed: uri,
            original: text.clone(),
            text,
            modern: None,
            title: None,
            output_schema: None,
            task_support: TaskSupport::Forbidden,
            param_headers: ParamHeaders::default(),
            priority: 0,
            template: None,
        }
    }

    /// The target that answers for the item; `None` for the gateway's own.
    #[must_use]
    pub fn target(&self) -> Option<&Arc<str>> {
        match &self.owner {
            Owner::Gateway => None,
            Owner::Target(target) => Some(target),
        }
    }

    /// A digest of what clients call it, of the same length for every name.
    pub(crate) fn name_digest(&self) -> NameDigest {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, self.exposed.as_bytes()).as_ref());
        name
    }

    fn judged(
        gateway: &Gateway,
        target: &Target,
        kind: Kind,
        object: &Object,
        upstream: &str,
    ) -> Result<Self, Reason> {
        refuse_ambiguity(object)?;
        if upstream.len() > NAME_BYTES_MAX {
            return Err(Reason::NameTooLong { bytes: upstream.len() });
        }
        if name::has_hidden_characters(upstream) {
            return Err(Reason::HiddenCharacters);
        }
        let mut item = Self {
            kind,
            owner: Owner::Target(Arc::from(target.name.as_str())),
            upstream: Arc::from(upstream),
            exposed: Arc::from(upstream),
            text: object.text().clone(),
            original: object.text().clone(),
            modern: None,
            title: object.string("title"),
            output_schema: None,
            task_support: TaskSupport::Forbidden,
            param_headers: ParamHeaders::default(),
            priority: target.resource_priority,
            template: None,
        };
        match kind {
            Kind::Tool => {
                item.output_schema = object.get("outputSchema");
                item.param_headers = read_param_headers(object)?;
                item.rename(object, &name::exposed(gateway, target, upstream));
                item.read_execution(object);
            }
            Kind::Prompt => item.rename(object, &name::exposed(gateway, target, upstream)),
            Kind::Resource => refuse_own_scheme(upstream)?,
            Kind::Template => {
                refuse_own_scheme(upstream)?;
                item.template =
                    Some(Template::parse(upstream).map_err(|error| Reason::BadTemplate(error.to_string()))?);
            }
        }
        Ok(item)
    }

    fn rename(&mut self, object: &Object, exposed: &str) {
        if *self.upstream == *exposed {
            return;
        }
        if let Some(name) = object.get(self.kind.item_key()) {
            let mut splice = Splice::of(&self.original);
            splice.replace(&name, Raw::string(exposed));
            self.text = splice.finish().into_raw();
            self.exposed = Arc::from(exposed);
        }
    }
}

impl Item {
    fn read_execution(&mut self, object: &Object) {
        if !object.has("execution") {
            return;
        }
        let support = object.object("execution").and_then(|execution| execution.string("taskSupport"));
        self.task_support = match support.as_deref() {
            Some("required") => TaskSupport::Required,
            Some("optional") => TaskSupport::Optional,
            _ => TaskSupport::Forbidden,
        };
        let shown = Object::of(&self.text);
        self.modern = shown.map(|shown| Edit::of(&shown).remove("execution").finish().into_raw());
    }
}

/// A client that takes the last of two equal keys would see another name than the one judged here.
fn refuse_ambiguity(object: &Object) -> Result<(), Reason> {
    let mut seen = BTreeSet::new();
    for (key, _) in object.iter() {
        if let Some(key) = seen.replace(key) {
            return Err(Reason::AmbiguousMember(key.escape_debug().take(64).collect()));
        }
    }
    Ok(())
}

fn refuse_own_scheme(uri: &str) -> Result<(), Reason> {
    if status::is_own(uri) { Err(Reason::ReservedUri) } else { Ok(()) }
}

fn read_param_headers(tool: &Object) -> Result<ParamHeaders, Reason> {
    let Some(schema) = tool.get("inputSchema") else { return Ok(ParamHeaders::default()) };
    ParamHeaders::of_tool_schema(&schema).map_err(|invalid| Reason::BadParamHeader(invalid.to_string()))
}
