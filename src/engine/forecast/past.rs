//! [`Past`]: reads the records of a store. A record contains enough to rebuild its stage, which then declares
//! its work again.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use contract::{Expected, Work};

use super::RecordScope;
use super::expected::{self, Inputs};
use crate::graph::ParseStage;
use crate::plan::rebuild;
use store::keys::{Digest, Key};
use store::keys::{Fingerprint, InputId};
use store::{ActionRecord, Store};

/// Maximum number of records that rates are measured from; the newest are taken.
const MOST_MEASURED: usize = 200;
/// Maximum number of records that are followed upstream to find a signature.
const DEEPEST: usize = 100;

/// Known properties of an action's outputs, by port.
type Ports = BTreeMap<String, Expected>;

/// The records of a store.
pub(super) struct Past<'a> {
    store: &'a Store,
    parse: ParseStage,
    scope: RecordScope,
    /// All records that may be used, newest first.
    all: OnceCell<Vec<ActionRecord>>,
    rates: OnceCell<BTreeMap<&'static str, f64>>,
    outputs: RefCell<HashMap<Key, Option<Rc<Ports>>>>,
    /// Trees of recorded outputs, by action. They are kept because a stage may take thousands of outputs of
    /// another.
    trees: RefCell<HashMap<Key, BTreeMap<String, Digest>>>,
}

impl<'a> Past<'a> {
    pub(super) fn new(store: &'a Store, parse: ParseStage, scope: RecordScope) -> Self {
        Self {
            store,
            parse,
            scope,
            all: OnceCell::new(),
            rates: OnceCell::new(),
            outputs: RefCell::default(),
            trees: RefCell::default(),
        }
    }

    pub(super) fn record(&self, key: &Key) -> Option<ActionRecord> {
        self.store.recall(key)
    }

    /// Returns the newest record with the same kind, version, device and parameters as `now`, except for `epochs`.
    /// Records of resumed stages do not count.
    pub(super) fn similar(&self, now: &Fingerprint) -> Option<ActionRecord> {
        let params = |fingerprint: &Fingerprint| {
            let mut params = fingerprint.params.clone();
            if let Some(map) = params.as_object_mut() {
                map.shift_remove("epochs");
            }
            params
        };
        let wanted = params(now);
        let is_alike = |record: &&ActionRecord| {
            let then = &record.fingerprint;
            (&then.kind, then.version, then.device) == (&now.kind, now.version, now.device)
                && record.resumed.is_none()
                && params(then) == wanted
        };
        self.all().iter().find(is_alike).cloned()
    }

    /// Returns the amount of work per second of processor time: the median over the store's records.
    pub(super) fn rate(&self, name: &str) -> Option<f64> {
        self.rates.get_or_init(|| self.measure()).get(name).copied()
    }

    fn measure(&self) -> BTreeMap<&'static str, f64> {
        let mut rates: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        let whole = self.all().iter().filter(|record| record.resumed.is_none());
        for record in whole.take(MOST_MEASURED) {
            if let Some(amount) = self.work(record).amount
                && record.cpu_seconds > 0.0
            {
                let rates = rates.entry(amount.unit).or_default();
                rates.push(amount.count / record.cpu_seconds);
            }
        }
        let median = |mut rates: Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        rates
            .into_iter()
            .map(|(name, rates)| (name, median(rates)))
            .collect()
    }

    /// Returns all records that may be used, newest first.
    fn all(&self) -> &[ActionRecord] {
        self.all.get_or_init(|| {
            let mut all = match self.scope {
                RecordScope::Own => Vec::new(),
                RecordScope::All => self.store.records().unwrap_or_default(),
            };
            // Count a result once, even if several actions have it.
            let mut seen = BTreeSet::new();
            all.retain(|record| seen.insert((record.content_key, record.finished.clone())));
            all.sort_by(|a, b| b.finished.cmp(&a.finished));
            all
        })
    }

    /// Returns the work that the stage of a record declares.
    pub(super) fn work(&self, record: &ActionRecord) -> Work {
        let work = rebuild(self.parse, &record.fingerprint).and_then(|stage| {
            let inputs = self.inputs(&record.fingerprint, 0)?;
            stage.check(&expected::signatures(&inputs)).ok()?;
            Some(stage.work(&inputs))
        });
        work.unwrap_or_default()
    }

    /// Returns the bytes of a record's outputs, without files that they share with its inputs.
    pub(super) fn output_bytes(&self, record: &ActionRecord) -> Option<u64> {
        let inputs = record.fingerprint.inputs.values().flatten();
        let given = inputs.filter_map(|input| self.tree(input));
        let mut known = BTreeSet::new();
        for tree in given.filter_map(|tree| self.store.peek_tree(&tree).ok()) {
            known.extend(tree.files.values().map(|blob| blob.digest));
        }
        let mut bytes = 0;
        for tree in record.outputs.values() {
            let tree = self.store.peek_tree(tree).ok()?;
            let fresh = tree.files.values().filter(|blob| known.insert(blob.digest));
            bytes += fresh.map(|blob| blob.bytes).sum::<u64>();
        }
        Some(bytes)
    }

    fn tree(&self, input: &InputId) -> Option<Digest> {
        match input {
            InputId::Content { digest } => Some(*digest),
            InputId::Action { key, port } => {
                let mut trees = self.trees.borrow_mut();
                let made = trees.entry(*key).or_insert_with(|| {
                    let record = self.store.recall(key);
                    record.map(|record| record.outputs).unwrap_or_default()
                });
                made.get(port).copied()
            }
        }
    }

    fn inputs(&self, fingerprint: &Fingerprint, depth: usize) -> Option<Inputs> {
        let mut inputs = Inputs::new();
        for (role, ids) in &fingerprint.inputs {
            let expected = ids.iter().map(|id| match id {
                InputId::Action { key, port } => self.made(key, depth)?.get(port).copied(),
                InputId::Content { .. } => None,
            });
            inputs.insert(role.clone(), expected.collect::<Option<_>>()?);
        }
        Some(inputs)
    }

    /// Returns the known properties of the outputs of the action with this key.
    fn made(&self, key: &Key, depth: usize) -> Option<Rc<Ports>> {
        if let Some(known) = self.outputs.borrow().get(key) {
            return known.clone();
        }
        let made = (depth < DEEPEST).then(|| {
            let record = self.store.recall(key)?;
            let stage = rebuild(self.parse, &record.fingerprint)?;
            let inputs = self.inputs(&record.fingerprint, depth + 1)?;
            let signatures = stage.check(&expected::signatures(&inputs)).ok()?;
            let expected = signatures.into_iter().map(|(port, signature)| {
                let tree = record.outputs.get(&port);
                let images = tree.and_then(|tree| expected::images(self.store, tree, signature));
                (port, Expected { signature, images })
            });
            Some(Rc::new(expected.collect()))
        });
        let made = made.flatten();
        self.outputs.borrow_mut().insert(*key, made.clone());
        made
    }
}
