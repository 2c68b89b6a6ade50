//! What one client is told outside its requests: lists that changed for it, resources that it subscribed to, log messages of
//! its session.
//!
//! A list counts as changed when what this client may see of it did, whatever a server announced. Follows the gateway over
//! reloads; ends when the client would have to come in anew.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use catalogue::Freshness;
use exchange::{Interests, Reader, notify};
use mcp::{Kind, Payload};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use upstream::{Logs, Notice, Subscription, Update, Upstream};

use crate::operation::{self, Context};
use crate::site::Site;
use crate::sites::Sites;

/// Tells one client what concerns it.
pub(crate) struct Follower {
    sites: Sites,
    context: Context,
    interests: Arc<Interests>,
    reader: Reader,
    /// The lists whose changes are told; that of resources stands for the templates, too.
    lists: Vec<Kind>,
    changes: watch::Receiver<u64>,
    swaps: watch::Receiver<u64>,
    /// Feeds of the targets whose lists the client has to itself.
    feeds: Vec<Subscription>,
    refreshing: Option<JoinHandle<()>>,
    /// Dynamic targets whose lists changed since they were asked.
    pending: BTreeSet<Arc<str>>,
    ready: VecDeque<Payload>,
    work: Work,
}

/// What is to be done before anything else. Noted before it is begun, so that nothing is lost when it is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Nothing,
    /// See whether a list has changed.
    Compare,
    /// Find out what gateway this is now.
    Move,
}

impl Follower {
    /// Follows what concerns `interests`, from what the client has seen on; of the lists only `lists`.
    pub(crate) fn new(
        sites: Sites,
        context: Context,
        interests: Arc<Interests>,
        reader: Reader,
        lists: Vec<Kind>,
    ) -> Self {
        let (changes, swaps) = (context.site.catalogue.changes(), sites.swaps());
        let mut follower = Self {
            sites,
            context,
            interests,
            reader,
            lists,
            changes,
            swaps,
            feeds: Vec::new(),
            refreshing: None,
            pending: BTreeSet::new(),
            ready: VecDeque::new(),
            // The gateway may have been changed since the request came in, or since the session was followed last.
            work: Work::Move,
        };
        follower.feed();
        follower
    }

    /// The next thing to tell; `None` when the stream is to be ended. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Payload> {
        loop {
            match self.work {
                Work::Move => {
                    if !self.move_over().await {
                        return None;
                    }
                    self.work = Work::Compare;
                }
                Work::Compare => self.compare().await,
                Work::Nothing => {}
            }
            if let Some(payload) = self.ready.pop_front() {
                return Some(payload);
            }
            tokio::select! {
                notice = self.interests.inbox().next() => self.take(notice),
                _ = self.changes.changed() => self.work = Work::Compare,
                _ = self.swaps.changed() => self.work = Work::Move,
                () = ended(&mut self.refreshing) => {
                    self.refreshing = None;
                    self.refresh();
                    self.work = Work::Compare;
                }
            }
        }
    }

    /// Notes what the client sees now as what it has seen.
    pub(crate) async fn see(&mut self) {
        let seen = self.view().await;
        self.interests.see(seen);
    }

    fn take(&mut self, notice: Notice) {
        match notice {
            Notice::Lists { target, .. } => {
                if self.is_dynamic(&target) {
                    self.pending.insert(target);
                    self.refresh();
                }
            }
            Notice::Updated { target, update } => {
                if operation::shows_resource(&self.context, &target, &update.uri) {
                    self.ready.push_back(notify::updated(&update, &self.reader));
                }
            }
            Notice::Log { level, text } => {
                let wanted = match self.context.session.as_ref().map(|session| session.logs()) {
                    None | Some(Logs::Off) => false,
                    Some(Logs::ServersChoice) => true,
                    Some(Logs::From(least)) => level.is_some_and(|level| level >= least),
                };
                if wanted {
                    self.ready.push_back(text.into());
                }
            }
            Notice::Anything => {
                let watched = self.interests.resources();
                let shown = |(uri, target): &(Arc<str>, Arc<str>)| {
                    operation::shows_resource(&self.context, target, uri)
                };
                let told = watched.iter().filter(|watched| shown(watched));
                let told = told.map(|(uri, _)| notify::updated(&Update::bare(uri), &self.reader));
                self.ready.extend(told);
            }
        }
    }

    /// Tells which lists are others now than the client has seen them.
    async fn compare(&mut self) {
        let now = self.view().await;
        self.work = Work::Nothing;
        let before = self.interests.seen().unwrap_or(now);
        self.interests.see(now);
        let differs = |kind: Kind| {
            let position = Kind::ALL.iter().position(|known| *known == kind);
            position.is_some_and(|position| before[position] != now[position])
        };
        for kind in &self.lists {
            if differs(*kind) || (*kind == Kind::Resource && differs(Kind::Template)) {
                self.ready.push_back(notify::list_changed(*kind, &self.reader));
            }
        }
    }

    async fn view(&self) -> exchange::Digests {
        let has_own_lists = self.context.site.catalogue.dynamic_targets().next().is_some();
        let seen = if has_own_lists {
            operation::seen(&self.context, Freshness::Continued).await
        } else {
            operation::known(&self.context)
        };
        operation::digests(&seen.view)
    }

    /// Has the next dynamic target asked for its lists, one at a time.
    fn refresh(&mut self) {
        if self.refreshing.is_some() {
            return;
        }
        let Some(target) = self.pending.pop_first() else { return };
        let (catalogue, caller) = (self.context.site.catalogue.clone(), self.context.caller.clone());
        self.refreshing = Some(tokio::spawn(async move { catalogue.refresh(&caller, &target).await }));
    }

    /// Goes on with the gateway as it is now. `false`: the client has to come in anew, or the gateway is gone.
    async fn move_over(&mut self) -> bool {
        self.swaps.mark_unchanged();
        let Some(site) = self.sites.named(&self.context.site.name) else { return false };
        let before = &self.context.site;
        let same_door =
            site.config.inbound == before.config.inbound && site.config.streaming == before.config.streaming;
        if !same_door {
            return false;
        }
        if !Arc::ptr_eq(&site, before) {
            self.changes = site.catalogue.changes();
            self.context.site = site;
            self.feed();
        }
        let targets: Vec<&Upstream> =
            self.context.site.targets.values().map(|target| &target.upstream).collect();
        for uri in self.interests.astray(&targets) {
            if operation::watch_anew(&self.context, &uri, &self.interests).await.is_ok() {
                self.ready.push_back(notify::updated(&Update::bare(&uri), &self.reader));
            }
        }
        true
    }

    /// Watches the targets whose lists the client has to itself.
    fn feed(&mut self) {
        self.feeds = match self.lists.is_empty() {
            true => Vec::new(),
            false => feeds(&self.context.site, &self.context, &self.interests),
        };
    }

    fn is_dynamic(&self, target: &str) -> bool {
        self.context.site.catalogue.dynamic_targets().any(|known| known == target)
    }
}

fn feeds(site: &Site, context: &Context, interests: &Interests) -> Vec<Subscription> {
    let targets = site.catalogue.dynamic_targets().filter_map(|name| site.targets.get(name));
    targets
        .filter_map(|target| target.upstream.watch_lists(&context.caller, interests.inbox()).ok())
        .collect()
}

async fn ended(task: &mut Option<JoinHandle<()>>) {
    match task {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}
