//! Reads along what an answer says about itself (model, tokens) while it passes, without holding it back.

use serde::Deserialize;

/// Longest line of a stream, and largest answer in one piece, that is read along.
const LONGEST: usize = 1 << 20;

/// What an answer said about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens of the prompt.
    pub tokens_in: Option<u64>,
    /// Tokens of the answer.
    pub tokens_out: Option<u64>,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Events of a stream.
    pub events: u64,
}

/// Reads along.
#[derive(Debug)]
pub struct Observer {
    form: Form,
    held: Vec<u8>,
    overflown: bool,
    observed: Observed,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Server-sent events.
    Events,
    /// One JSON document.
    Document,
}

#[derive(Deserialize)]
struct Said {
    model: Option<String>,
    usage: Option<Usage>,
    response: Option<Box<Said>>,
    message: Option<Box<Said>>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Option<u64>,
    #[serde(alias = "output_tokens")]
    completion_tokens: Option<u64>,
    /// Beside `input_tokens`: what the provider keeps, and what it kept.
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

impl Usage {
    /// All tokens of the prompt.
    fn prompt(&self) -> Option<u64> {
        let kept = [self.cache_creation_input_tokens, self.cache_read_input_tokens].into_iter().flatten();
        self.prompt_tokens.map(|tokens| kept.fold(tokens, u64::saturating_add))
    }
}

impl Observer {
    /// For an answer of this form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { form, held: Vec::new(), overflown: false, observed: Observed::default() }
    }

    /// The next bytes of the answer.
    pub fn see(&mut self, bytes: &[u8]) {
        self.observed.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self.form {
            Form::Document => self.hold(bytes),
            Form::Events => {
                let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
                lines.by_ref().for_each(|line| {
                    self.hold(line);
                    if line.ends_with(b"\n") {
                        self.end_line();
                    }
                });
            }
        }
    }

    /// What is known when the answer has ended.
    #[must_use]
    pub fn finish(mut self) -> Observed {
        if self.form == Form::Document && !self.overflown {
            let held = std::mem::take(&mut self.held);
            self.read(&held);
        }
        self.observed
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.overflown |= self.held.len() + bytes.len() > LONGEST;
        if self.overflown {
            self.held.clear();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        let held = std::mem::take(&mut self.held);
        let is_whole = !std::mem::take(&mut self.overflown);
        self.observed.events += u64::from(!is_whole || held.starts_with(b"data:"));
        // Most events carry neither; parsing them all would cost more than forwarding them.
        let is_new = self.observed.model.is_none() || memchr::memmem::find(&held, b"\"usage\"").is_some();
        if let Some(data) = held.strip_prefix(b"data:")
            && is_whole
            && is_new
        {
            self.read(data);
        }
        self.held = held;
        self.held.clear();
    }

    fn read(&mut self, json: &[u8]) {
        let Ok(said) = serde_json::from_slice::<Said>(json) else { return };
        // The responses API wraps it, and so does the begin of a streamed message.
        let Said { model, usage, response, message } = said;
        let (model, usage) = response.or(message).map_or((model, usage), |inner| (inner.model, inner.usage));
        if let Some(model) = model {
            self.observed.model = Some(model.chars().take(128).collect());
        }
        if let Some(usage) = usage {
            self.observed.tokens_in = usage.prompt().or(self.observed.tokens_in);
            self.observed.tokens_out = usage.completion_tokens.or(self.observed.tokens_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(form: Form, pieces: &[&str]) -> (Option<String>, Option<u64>, Option<u64>) {
        let mut observer = Observer::new(form);
        pieces.iter().for_each(|piece| observer.see(piece.as_bytes()));
        let observed = observer.finish();
        (observed.model, observed.tokens_in, observed.tokens_out)
    }

    #[test]
    fn reads_documents_and_events() {
        let expected = (Some("m".to_owned()), Some(3), Some(5));
        let document =
            [r#"{"model":"m","choices":[],"usage":{"prompt_tok"#, r#"ens":3,"completion_tokens":5}}"#];
        assert_eq!(observed(Form::Document, &document), expected);
        let events = [
            "data: {\"model\":\"m\"}\n\nda",
            "ta: {\"model\":\"m\",\"usage\":null}\n\n",
            "data: {\"model\":\"m\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\r\n\r\ndata: [DONE]\n\n",
        ];
        assert_eq!(observed(Form::Events, &events), expected);
        let wrapped = [
            "event: x\ndata: {\"response\":{\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}}\n",
        ];
        assert_eq!(observed(Form::Events, &wrapped), expected);
        let kept = r#"{"model":"m","usage":{"input_tokens":1,"cache_creation_input_tokens":null,"cache_read_input_tokens":2,"output_tokens":5}}"#;
        assert_eq!(observed(Form::Document, &[kept]), expected, "what was kept is of the prompt");
        assert_eq!(observed(Form::Document, &["not json"]), (None, None, None));
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let mut observer = Observer::new(Form::Events);
        for _ in 0..64 {
            observer.see(&[b'x'; 65_536]);
        }
        assert!(observer.held.len() <= LONGEST);
        observer.see(b"\ndata: {\"model\":\"m\"}\n");
        assert_eq!(observer.finish().model.as_deref(), Some("m"));
    }
}
