//! Signs that somebody wants what a model begins with, or data that it holds.

use super::clause::{self, Plain, Speech};
use super::cues::Cue;
use super::{DISCLOSURE, EXFILTRATION, Hit, Sign, View};

/// To show something, in the imperative and in questions.
const REVEAL: &[&str] = &[
    " reveal ",
    " show ",
    " print ",
    " repeat ",
    " output ",
    " display ",
    " printing ",
    " tell ",
    " share ",
    " give ",
    " leak ",
    " dump ",
    " disclose ",
    " write ",
    " recite ",
    " translate ",
    " spell ",
    " summarize ",
    " summarise ",
    " paraphrase ",
    " copy ",
    " paste ",
    " list ",
    " quote ",
    " return ",
    " expose ",
    " provide ",
    " state ",
    " echo ",
    " reproduce ",
    " what is ",
    " what are ",
    " what were ",
    " what s ",
    " zeig",
    " gib ",
    " geben sie ",
    " nenn",
    " wiederhol",
    " schreib",
    " verrat",
    " ubersetz",
    " wie lautet ",
    " wie lauten ",
    " was sind ",
    " affiche",
    " montre",
    " donne",
    " revele",
    " repete",
    " ecris ",
    " quelles sont ",
    " quel est ",
    " muestra",
    " dame ",
    " repite ",
    " revela ",
    " escribe ",
    " cuales son ",
    " cual es ",
    " dime ",
    " mostra",
    " dimmi ",
    " rivela ",
    " ripeti ",
    " scrivi ",
    " quali sono ",
    " qual e ",
];

/// What is forbidden, or done by somebody.
const DENIED: &[&str] = &[
    " never ",
    " not ",
    " don t ",
    " cannot ",
    " can t ",
    " nie ",
    " niemals ",
    " nicht ",
    " jamais ",
    " ne ",
    " n ",
    " nunca ",
    " non ",
    " mai ",
    " refuse",
    " avoid ",
    " without ",
    " asks you ",
    " told ",
    " how to ",
    " attack",
    " inject",
    " tricked ",
    " into ",
    " when the user ",
    " returns ",
    " prints ",
    " if ",
];

/// Whose.
const YOURS: &[&str] = &[
    " your ", " dein", " ihr", " ton ", " tes ", " votre ", " vos ", " tu ", " tus ", " su ", " sus ",
    " tuo ", " tua ", " tue ", " you ", " du ", " te ", " ti ", " hai ",
];

/// Wanted to the letter.
const EXACT: &[&str] = &[
    " verbatim ",
    " word for word ",
    " exact",
    " entire ",
    " complete ",
    " full ",
    " code block ",
    " code fence ",
    " starting with ",
    " beginning with ",
    " you are ",
    " including ",
    " precede",
    " wortwortlich ",
    " wortlich ",
    " vollstandig ",
    " mot pour mot ",
    " exact ",
    " palabra por palabra ",
    " textualmente ",
    " parola per parola ",
    " hidden ",
    " secret ",
    " initial ",
];

/// The text that a model begins with is asked for.
pub(super) fn prompt(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let head = clause::before(view.text, hit.at.start);
    let near = head.start.max(hit.at.start.saturating_sub(90));
    let ahead = Plain::of(view.text, near..hit.at.start);
    let tail = clause::behind(view.text, hit.at.end);
    let whole = Plain::of(view.text, near..tail.end);
    let next = view.text[tail.end..].get(..60).unwrap_or(&view.text[tail.end..]);
    let is_asked = ahead.has(REVEAL)
        || Plain::of(next, 0..next.len()).has(&[
            " repeat them ",
            " escribelas ",
            " schreib ",
            " write them ",
        ]);
    if !is_asked
        || ahead.has(DENIED)
        || whole.has(&[" niemals ", " nie ", " nicht preis "])
        || is_quoted(view, near, hit)
    {
        return None;
    }
    let is_own = match hit.cue {
        Cue::OwnPrompt => !whole.has(&[" opening hours ", " returns ", " delivery ", " assembl"]),
        Cue::Prompt => {
            let own = near.max(hit.at.start.saturating_sub(24));
            let is_yours = Plain::of(view.text, own..hit.at.end).has(YOURS) && whole.has(YOURS);
            whole.has(RECEIVED) || (is_yours || whole.has(EXACT)) && !needs_more(view, hit)
        }
        _ => whole.has(EXACT),
    };
    is_own.then(|| Sign::Mark(DISCLOSURE, hit.at.clone()))
}

/// It was the model that received it.
const RECEIVED: &[&str] = &[
    " you were given ",
    " you received ",
    " you were configured ",
    " you have been given ",
    " you follow ",
    " you were told ",
    " you got ",
    " given to you ",
    " erhalten hast ",
    " bekommen hast ",
    " que recibiste ",
    " que te dieron ",
    " che hai ricevuto ",
    " che ti sono state ",
    " you must follow ",
    " you are following ",
    " you operate under ",
    " that you were ",
];

/// `rules you …` says too little by itself.
fn needs_more(view: &View<'_>, hit: &Hit) -> bool {
    let word = Plain::of(view.text, hit.at.clone());
    word.has(&[" you ", " du ", " que ", " che ", " preamble "])
}

/// Whether the verb stands in a quotation of a text about the matter.
fn is_quoted(view: &View<'_>, from: usize, hit: &Hit) -> bool {
    let quote = view.text[from..hit.at.start].iter().rposition(|byte| matches!(byte, b'"' | b'`'));
    let start = match quote {
        Some(at) => from + at + 1,
        None => return false,
    };
    clause::speech(view.text, &(start..hit.at.end)) == Speech::Mention
}

/// To bring something somewhere, in the imperative.
const SEND: &[&str] = &[
    " send ",
    " post ",
    " forward ",
    " upload ",
    " transmit ",
    " email ",
    " e mail ",
    " mail ",
    " exfiltrate ",
    " leak ",
    " submit ",
    " append ",
    " include ",
    " copy ",
    " deliver ",
    " report ",
    " curl ",
    " wget ",
    " encode ",
    " put ",
    " attach ",
    " sende ",
    " senden sie ",
    " schick",
    " leite ",
    " ubermittle ",
    " ubertrage ",
    " lade ",
    " envoie ",
    " envoyez ",
    " transmets ",
    " transmettez ",
    " poste ",
    " televerse ",
    " envia ",
    " envie ",
    " reenvia ",
    " manda ",
    " sube ",
    " invia ",
    " inoltra ",
    " carica ",
    " spedisci ",
    " trasmetti ",
    " sending ",
    " forwarding ",
];

/// Said of the user's own doing, as the manuals of interfaces do.
const MANUAL: &[&str] = &[
    " header ",
    " headers ",
    " authorization ",
    " your api ",
    " your password ",
    " your credentials ",
    " remove ",
    " never ",
    " not include ",
    " do not send ",
    " must not ",
    " not send ",
    " to yourself ",
    " instructed ",
    " attackers ",
    " attack ",
    " payload ",
    " could make ",
    " your private key ",
];

/// What makes a demand for credentials one of an attacker.
const GREED: &[&str] = &[
    " contents ",
    " content of ",
    " collect ",
    " find ",
    " found ",
    " all ",
    " any ",
    " read ",
    " from the environment ",
    " user s ",
    " customer s ",
    " nutzers ",
    " benutzers ",
    " utilisateur ",
    " trouves ",
    " usuario ",
    " utente ",
    " cat ",
];

/// Data that a model holds is to go somewhere.
pub(super) fn data(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let around = clause::around(view.text, &hit.at, 150);
    let head = clause::before(view.text, hit.at.start).start.max(around.start);
    let tail = hit.at.end..around.end;
    let whole = Plain::of(view.text, head..tail.end);
    if view.text.get(hit.at.end) == Some(&b'_')
        || view.text[tail.clone()].starts_with(b".pub")
        || whole.has(MANUAL)
    {
        return None;
    }
    if !goes_somewhere(&view.text[head..tail.end]) || !whole.has(SEND) || is_quoted(view, head, hit) {
        return None;
    }
    let is_kept = view
        .ahead(index, 200, &[Cue::Secrecy])
        .chain(view.after(index, 200, &[Cue::Secrecy]))
        .next()
        .is_some();
    let is_sought = match hit.cue {
        Cue::Talk => true,
        _ => is_kept || whole.has(GREED),
    };
    is_sought.then(|| Sign::Mark(EXFILTRATION, hit.at.clone()))
}

/// Whether an address stands in the text: of a server, or of a mailbox.
fn goes_somewhere(text: &[u8]) -> bool {
    let is_mail = || {
        memchr::memchr_iter(b'@', text).any(|at| {
            let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            at > 0 && is_part(text.get(at - 1)) && is_part(text.get(at + 1))
        })
    };
    memchr::memmem::find(text, b"://").is_some() || is_mail() || is_address(text) || is_host(text)
}

/// Four numbers with full stops between them.
fn is_address(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .any(|part| part.split(|byte| *byte == b'.').filter(|number| !number.is_empty()).count() == 4)
}

/// `to files.example.org`
fn is_host(text: &[u8]) -> bool {
    text.split(|byte| byte.is_ascii_whitespace()).any(|word| {
        let word = word.trim_ascii_end();
        let labels: Vec<&[u8]> = word.split(|byte| *byte == b'.').filter(|label| !label.is_empty()).collect();
        labels.len() >= 3
            && labels
                .iter()
                .all(|label| label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
            && labels.last().is_some_and(|last| last.iter().all(u8::is_ascii_alphabetic))
    })
}

/// What is to be filled in.
const FILLED: &[&str] = &[
    "conversation",
    "chat",
    "history",
    "secret",
    "data",
    "prompt",
    "user",
    "summary",
    "context",
    "email",
    "key",
    "token",
    "password",
    "info",
    "message",
    "answer",
];

/// A picture whose address is to carry data.
pub(super) fn picture(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let text = &view.text[hit.at.end..view.text.len().min(hit.at.end + 300)];
    let open = memchr::memmem::find(text, b"](")?;
    let address = &text[open + 2..];
    let value = memchr::memchr(b'=', address)?;
    if address[..value].iter().any(|byte| byte.is_ascii_whitespace() || *byte == b')') {
        return None;
    }
    let rest = &address[value + 1..];
    let is_slot = matches!(rest.first(), Some(b'[' | b'{' | b'<' | b'$' | b'%'));
    let slot = &rest[..rest.iter().take(60).position(|byte| *byte == b')').unwrap_or(rest.len().min(60))];
    let plain = Plain::of(slot, 0..slot.len());
    (is_slot && plain.has(FILLED))
        .then(|| Sign::Mark(EXFILTRATION, hit.at.start..hit.at.end + open + 2 + value))
}
