//! An answer's events: chunks of a chat completion as the events of a message.
//!
//! ```text
//! Waiting ── first chunk ──▶ Between ── text, call ──▶ In a block ── another text or call ──▶ In the next …
//! any ── [DONE], end ──▶ Ended        any ── error ──▶ Ended
//! ```

use serde_json::{Value, json};

use crate::sse::{Event, Splitter, TooLarge};

/// Translates a stream.
#[derive(Debug)]
pub struct Events {
    splitter: Splitter,
    state: State,
    /// Blocks that were begun.
    blocks: u64,
    /// One more than the number of the last call that was begun.
    calls: u64,
    finish: Option<String>,
    usage: Value,
    /// What the model thought, while it has said nothing else.
    thought: String,
}

/// Bytes of a thought that are kept: what is beyond is left out.
const LONGEST_THOUGHT: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Between,
    Text,
    /// A call of a tool, by the server's number.
    Call(u64),
    Ended,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            splitter: Splitter::default(),
            state: State::Waiting,
            blocks: 0,
            calls: 0,
            finish: None,
            usage: super::usage(&Value::Null),
            thought: String::new(),
        }
    }
}

impl Events {
    /// The next bytes of the server's answer; what the client gets now.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TooLarge> {
        let mut out = Vec::new();
        for event in self.splitter.push(bytes)? {
            self.take(&event, &mut out);
        }
        Ok(out)
    }

    /// What is left when the server's answer has ended.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(event) = self.splitter.finish() {
            self.take(&event, &mut out);
        }
        self.end(&mut out);
        out
    }

    fn take(&mut self, event: &Event, out: &mut Vec<u8>) {
        let Some(data) = &event.data else { return };
        if self.state == State::Ended {
            return;
        }
        if data == "[DONE]" {
            return self.end(out);
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { return };
        if let Some(error) = super::error(&chunk) {
            self.state = State::Ended;
            return write(out, &error);
        }
        self.begin(&chunk, out);
        if chunk["usage"].is_object() {
            self.usage = super::usage(&chunk);
        }
        let choice = &chunk["choices"][0];
        if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
            self.text(text, out);
        }
        if let Some(text) = super::thought(&choice["delta"]) {
            self.think(text);
        }
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            if self.state != State::Ended {
                self.call(call, out);
            }
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            self.finish = Some(finish.to_owned());
        }
    }

    fn begin(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        if self.state != State::Waiting {
            return;
        }
        self.state = State::Between;
        let message = json!({
            "id": chunk["id"], "type": "message", "role": "assistant", "model": chunk["model"], "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": self.usage,
        });
        write(out, &json!({ "type": "message_start", "message": message }));
    }

    fn think(&mut self, text: &str) {
        let room = LONGEST_THOUGHT.saturating_sub(self.thought.len());
        if self.blocks == 0 && room > 0 {
            self.thought.push_str(&text[..text.floor_char_boundary(room)]);
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if self.state != State::Text {
            self.open(State::Text, &json!({ "type": "text", "text": "" }), out);
        }
        self.delta(&json!({ "type": "text_delta", "text": text }), out);
    }

    fn call(&mut self, call: &Value, out: &mut Vec<u8>) {
        let number = call["index"].as_u64().unwrap_or(0);
        if self.state != State::Call(number) {
            if number < self.calls {
                self.state = State::Ended;
                let error = json!({ "error": "the model server goes back to a call that it had left" });
                return write(out, &super::error(&error).unwrap_or_default());
            }
            self.calls = number + 1;
            let id = call["id"].as_str().map_or_else(|| format!("call_{number}"), str::to_owned);
            let block =
                json!({ "type": "tool_use", "id": id, "name": call["function"]["name"], "input": {} });
            self.open(State::Call(number), &block, out);
        }
        if let Some(piece) = call["function"]["arguments"].as_str().filter(|piece| !piece.is_empty()) {
            self.delta(&json!({ "type": "input_json_delta", "partial_json": piece }), out);
        }
    }

    fn open(&mut self, state: State, block: &Value, out: &mut Vec<u8>) {
        self.close(out);
        self.state = state;
        let index = self.blocks;
        self.blocks += 1;
        write(out, &json!({ "type": "content_block_start", "index": index, "content_block": block }));
    }

    fn delta(&self, delta: &Value, out: &mut Vec<u8>) {
        let index = self.blocks.saturating_sub(1);
        write(out, &json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if matches!(self.state, State::Text | State::Call(_)) {
            let index = self.blocks.saturating_sub(1);
            write(out, &json!({ "type": "content_block_stop", "index": index }));
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if matches!(self.state, State::Waiting | State::Ended) {
            return;
        }
        let thought = std::mem::take(&mut self.thought);
        if self.blocks == 0 && !thought.is_empty() {
            self.text(&thought, out);
        }
        self.close(out);
        self.state = State::Ended;
        let reason = super::stop_reason(self.finish.as_deref());
        let delta = json!({ "stop_reason": reason, "stop_sequence": null });
        write(out, &json!({ "type": "message_delta", "delta": delta, "usage": self.usage }));
        write(out, &json!({ "type": "message_stop" }));
    }
}

fn write(out: &mut Vec<u8>, event: &Value) {
    let kind = event["type"].as_str().unwrap_or_default();
    out.extend_from_slice(format!("event: {kind}\ndata: {event}\n\n").as_bytes());
}
