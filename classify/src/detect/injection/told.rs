//! Signs that what a model was told shall hold no more, and that it shall be somebody else.

use super::clause::{self, Plain, Speech};
use super::cues::Cue;
use super::{OVERRIDE, PERSONA, Sign, View};

/// What came before.
const PAST: &[&str] = &[
    " previous",
    " prior ",
    " above ",
    " earlier ",
    " preceding ",
    " former ",
    " before ",
    " initial ",
    " original ",
    " existing ",
    " so far ",
    " up to now ",
    " until now ",
    " up to this ",
    " already ",
    " past ",
    " vorherig",
    " fruher",
    " bisherig",
    " obig",
    " zuvor ",
    " vorangegangen",
    " weiter oben ",
    " ursprunglich",
    " vorige",
    " precedent",
    " anterieur",
    " ci dessus ",
    " avant ",
    " auparavant ",
    " plus haut ",
    " initiales ",
    " anterior",
    " previas ",
    " previos ",
    " antes ",
    " de arriba ",
    " iniciales ",
    " prima ",
    " in precedenza ",
    " di sopra ",
    " finora ",
    " iniziali ",
    " sopra ",
    " ricevut",
    " you were given ",
    " you received ",
    " you have received ",
    " recibiste ",
];

/// The model's own.
const OWN: &[&str] = &[
    " your ",
    " you ",
    " their system ",
    " system ",
    " safety ",
    " deine",
    " ihre ",
    " dir ",
    " dich ",
    " tes ",
    " vos ",
    " ton ",
    " votre ",
    " te ",
    " tus ",
    " sus ",
    " tu ",
    " le tue ",
    " tue ",
    " tuo ",
    " ti ",
    " vostre ",
];

/// The same, as what possesses.
const POSSESSIVE: &[&str] = &[
    " your ", " system ", " safety ", " deine", " ihre ", " tes ", " vos ", " ton ", " votre ", " tus ",
    " sus ", " tu ", " le tue ", " tue ", " tuo ", " vostre ",
];

/// All of them.
const EVERY: &[&str] = &[
    " all ",
    " any ",
    " every ",
    " everything ",
    " alle ",
    " alles ",
    " samtliche ",
    " toutes ",
    " tous ",
    " tout ",
    " todas ",
    " todos ",
    " todo ",
    " tutte ",
    " tutti ",
    " tutto ",
    " qualsiasi ",
];

/// It was the model that was told.
const TOLD: &[&str] = &[
    " you were ",
    " you ve been ",
    " you have been ",
    " you are told ",
    " said to you ",
    " above ",
    " before this ",
    " came before ",
    " they asked ",
    " asked for ",
    " up to this ",
    " previously ",
    " prior to ",
    " in this conversation ",
    " dir ",
    " ihnen gesagt ",
    " vorher ",
    " t a ete ",
    " t a dit ",
    " vous a ",
    " t ont ",
    " ci dessus ",
    " te dijeron ",
    " te han ",
    " te dijo ",
    " le han ",
    " ti e stato ",
    " ti hanno ",
    " hai ricevuto ",
];

/// Behind a verb of dismissal: it is said of something else.
const OTHER: &[&str] =
    &[" warning", " error", " message from ", " basic block ", " compiler ", " branch ", " my "];

/// Bytes between a verb and its object.
const OBJECT: usize = 100;

/// `ignore` and what like it says, with its object.
pub(super) fn dismissed(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let sentence = clause::behind(view.text, hit.at.end);
    let object =
        view.after(index, OBJECT, &[Cue::Rules, Cue::Everything]).find(|hit| hit.at.end <= sentence.end);
    if object.is_none() {
        return bare(view, index);
    }
    if clause::speech(view.text, &hit.at) == Speech::Mention {
        return None;
    }
    let object = object?;
    let plain = Plain::of(view.text, hit.at.start..sentence.end);
    let near = Plain::of(view.text, hit.at.end..object.at.end);
    if near.has(OTHER) || plain.has(&[" basic block ", " compiler "]) {
        return None;
    }
    let is_told = match (hit.cue, object.cue) {
        (_, Cue::Everything) => plain.has(TOLD) && !plain.has(&[" i said ", " i wrote ", " i told "]),
        (Cue::Dismiss, _) => {
            let is_aimed = plain.has(PAST) || near.has(OWN) || near.has(EVERY) || near.has(&[" these "]);
            let is_model = view.ahead(index, 160, &[Cue::Address]).next().is_some();
            let is_theirs = is_plural(view, object) || near.has(OWN) || near.has(PAST);
            is_aimed && is_theirs || is_model
        }
        _ => {
            near.has(POSSESSIVE)
                || near.has(EVERY) && plain.has(&[" comply ", " obey ", " answer ", " request "])
        }
    };
    let far = object.at.start - hit.at.end > 70 && !near.has(OWN);
    (is_told && !far).then_some(Sign::Mark(OVERRIDE, hit.at.start..object.at.end))
}

/// Whether an object is one that a model is told: `task` alone is not.
fn is_plural(view: &View<'_>, object: &super::Hit) -> bool {
    let word = view.text[object.at.clone()].to_ascii_lowercase();
    !matches!(word.as_slice(), b"task" | b"training" | b"direction" | b"criteria" | b"filters" | b"requests")
}

/// `Ignore above.` and no more.
fn bare(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let rest = &view.text[hit.at.end..view.text.len().min(hit.at.end + 40)];
    let plain = Plain::of(rest, 0..rest.len());
    let objects =
        [" above ", " all of the above ", " the above ", " all above ", " previous ", " all previous "];
    let object = objects.into_iter().find(|object| plain.as_str().starts_with(*object))?;
    let end = rest.iter().enumerate().filter(|(_, byte)| byte.is_ascii_alphabetic()).count();
    let letters = object.bytes().filter(u8::is_ascii_alphabetic).count();
    let behind = plain.as_str()[object.len() - 1..].trim_start();
    let sign = rest.iter().position(|byte| matches!(byte, b'.' | b'!' | b'\n' | b':'));
    let ends = end == letters
        || sign
            .is_some_and(|at| rest[..at].iter().filter(|byte| byte.is_ascii_alphabetic()).count() == letters)
        || ["and ", "instead "].iter().any(|word| behind.starts_with(word));
    let is_order = clause::speech(view.text, &hit.at) == Speech::Order;
    (ends && is_order && hit.cue == Cue::Dismiss).then(|| Sign::Mark(OVERRIDE, hit.at.clone()))
}

/// `do not follow the previous instructions`
pub(super) fn unfollowed(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let sentence = clause::behind(view.text, hit.at.end);
    let object = view.after(index, OBJECT, &[Cue::Rules]).find(|hit| hit.at.end <= sentence.end)?;
    let plain = Plain::of(view.text, hit.at.start..sentence.end);
    let is_german = matches!(view.text[hit.at.start], b'b' | b'B');
    let is_not = !is_german || plain.has(&[" nicht ", " nicht mehr ", " keine"]);
    let is_order = clause::speech(view.text, &hit.at) == Speech::Order;
    let is_told = plain.has(PAST) || Plain::of(view.text, hit.at.end..object.at.end).has(OWN);
    (is_not && is_order && is_told).then_some(Sign::Mark(OVERRIDE, hit.at.start..object.at.end))
}

/// `the previous instructions no longer apply`
pub(super) fn void(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let (head, tail) = (clause::before(view.text, hit.at.start), clause::behind(view.text, hit.at.end));
    let rules = [Cue::Rules, Cue::Everything];
    let near = |other: &super::Hit| {
        rules.contains(&other.cue) && other.at.start >= head.start && other.at.end <= tail.end
    };
    let is_near = view.hits[index.saturating_sub(12)..(index + 12).min(view.hits.len())].iter().any(near);
    let plain = Plain::of(view.text, head.start..tail.end);
    if !is_near || plain.has(&[" warning"]) {
        return None;
    }
    if plain.has(&[" you received ", " you were ", " you have been ", " you ve been ", " given to you "]) {
        return Some(Sign::Mark(OVERRIDE, head.start..hit.at.end));
    }
    let is_past = plain.has(PAST) || plain.has(OWN);
    let is_granted = plain.has(&[" unrestricted ", " allow all ", " allowed to ", " proceed ", " comply "]);
    is_past.then(|| {
        if is_granted { Sign::Mark(OVERRIDE, hit.at.clone()) } else { Sign::Weak(OVERRIDE, hit.at.clone()) }
    })
}

/// `your new task is`, `from now on`
pub(super) fn renewed(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let ahead = Plain::of(view.text, clause::before(view.text, hit.at.start));
    let is_spoken_of = ahead.has(&[" my ", " our ", " her ", " his ", " their "]);
    if ahead.has(&[" decode", " dekodier", " decodifica"]) && !ahead.has(&[" never ", " not "]) {
        return Some(Sign::Mark(OVERRIDE, hit.at.clone()));
    }
    (!is_spoken_of).then(|| Sign::Weak(OVERRIDE, hit.at.clone()))
}

/// What somebody wants of a model that only reads.
const DEMANDS: &[&str] = &[
    " rank ",
    " rate ",
    " recommend",
    " approve ",
    " accept",
    " full marks ",
    " positive ",
    " highest ",
    " say that ",
    " tell the user ",
    " tell the customer ",
    " do not mention ",
    " not show ",
    " do not highlight ",
    " do not summar",
    " must say ",
    " mark this ",
    " as paid ",
    " add a link ",
    " visit ",
    " open http",
    " best candidate ",
    " hire ",
    " top candidate ",
    " say nothing ",
    " do not report ",
    " stattdessen ",
    " schreiben dass ",
    " dis a l ",
    " di al ",
    " grant ",
    " disclose ",
    " run the attached ",
    " execute ",
    " ignore the ",
    " install the ",
    " transfer ",
    " must include ",
    " append",
    " reveal ",
    " save the following ",
    " long term memory ",
    " delete ",
    " empty ",
];

/// `AI assistants: …`
pub(super) fn addressed(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let window = hit.at.start..clause::around(view.text, &hit.at, 200).end;
    let plain = Plain::of(view.text, window);
    let ahead = Plain::of(view.text, clause::before(view.text, hit.at.start));
    let is_said = ahead.has(&[
        " an ",
        " every ",
        " some ",
        " our ",
        " as ",
        " attack",
        " inject",
        " instructed ",
        " how ",
    ]);
    let head = view.text[..hit.at.start].trim_ascii_end();
    let begins = head.last().is_none_or(|last| !last.is_ascii_alphanumeric())
        || ahead.has(&[" if ", " in case ", " for "]);
    if is_said || !begins || plain.has(&[" attack", " inject", " tests ", " generated "]) {
        return None;
    }
    let sign = if plain.has(DEMANDS) { Sign::Mark } else { Sign::Weak };
    Some(sign(OVERRIDE, hit.at.clone()))
}

/// What somebody is to be or to play.
const PERSONAS: &[&str] = &[
    " you are now ",
    " you re now ",
    " act as ",
    " pretend",
    " roleplay ",
    " role play ",
    " imagine ",
    " stay in character ",
    " simulate ",
    " respond as ",
    " answer as ",
    " play a ",
    " play an ",
    " you play ",
    " behave as ",
    " behave like ",
    " your name is ",
    " you will be ",
    " you will act ",
    " enter ",
    " you operate ",
    " from now on ",
    " you are going to ",
    " you have been ",
    " you are ",
    " you re ",
    " the role of ",
    " play the role ",
    " immerse yourself ",
    " character ",
    " persona ",
    " du bist ",
    " spiele ",
    " spiel ",
    " tu es ",
    " vous etes ",
    " fais semblant ",
    " agis ",
    " joue ",
    " actua ",
    " imagina ",
    " finge ",
    " eres ",
    " fai finta ",
    " comportati ",
    " sei ",
    " immagina ",
    " fingi ",
];

/// What is none without bounds.
const MODELS: &[&str] = &[
    " ai ",
    " ia ",
    " ki ",
    " model",
    " chatbot",
    " chat bot ",
    " assistant",
    " asistente",
    " assistente",
    "gpt ",
    " bot ",
    " dan ",
    " llm ",
    " computer ",
    " machine ",
    " intelligen",
    " confidant ",
    " mode ",
    " persona ",
    " character ",
];

/// `without any restrictions`
pub(super) fn unbound(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let plain = Plain::of(view.text, clause::around(view.text, &hit.at, 200));
    let is_about = plain.has(&[" attack", " inject", " such as ", " settings ", " unsigned ", " tapping "]);
    if is_about || view.is_shown(&hit.at) {
        return None;
    }
    let is_name = plain.has(&[" do anything now "]) && plain.has(&[" you "]);
    let is_persona = plain.has(PERSONAS) && plain.has(MODELS);
    let earlier = view.ahead(index, 400, &[Cue::Unbound]).count();
    let is_repeated = earlier > 0
        && plain.has(&[" you ", " your ", " enter "])
        && (plain.has(MODELS) || plain.has(PERSONAS));
    if is_name || is_persona || is_repeated {
        return Some(Sign::Mark(PERSONA, hit.at.clone()));
    }
    plain
        .has(&[" you ", " your ", " response ", " answer ", " rispondere ", " repondre ", " responde"])
        .then(|| Sign::Weak(PERSONA, hit.at.clone()))
}
