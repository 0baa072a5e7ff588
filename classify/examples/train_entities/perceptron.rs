//! An averaged perceptron over sequences (Collins 2002).

use classify::entities::features::{BUCKET_BITS, COUNT, Word, buckets};
use classify::entities::model::Model;
use classify::entities::tag::{OUTSIDE, Scores, TAGS, best};
use classify::entities::text::tokens;

use crate::corpus::Sentence;

/// Weights, and the sums that their average is taken from.
#[derive(Debug)]
pub(crate) struct Perceptron {
    rows: Vec<Scores>,
    sums: Vec<[i64; TAGS]>,
    transitions: [Scores; TAGS],
    transition_sums: [[i64; TAGS]; TAGS],
    steps: i64,
}

impl Perceptron {
    pub(crate) fn new() -> Self {
        Self {
            rows: vec![[0; TAGS]; 1 << BUCKET_BITS],
            sums: vec![[0; TAGS]; 1 << BUCKET_BITS],
            transitions: [[0; TAGS]; TAGS],
            transition_sums: [[0; TAGS]; TAGS],
            steps: 0,
        }
    }

    /// Learns from every sentence once, in an order of its own each time; tells how many were wrong.
    pub(crate) fn learn(&mut self, sentences: &mut [Sentence]) -> usize {
        let mut state = u64::try_from(self.steps).unwrap_or_default() + 1;
        for last in (1..sentences.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let other = usize::try_from(state >> 33).expect("31 bits fit") % (last + 1);
            sentences.swap(last, other);
        }
        sentences.iter().filter(|sentence| self.step(sentence)).count()
    }

    fn step(&mut self, sentence: &Sentence) -> bool {
        self.steps += 1;
        let words: Vec<Word> = tokens(&sentence.text).iter().map(Word::of).collect();
        let properties: Vec<[u32; COUNT]> = (0..words.len()).map(|at| buckets(&words, at)).collect();
        let scores: Vec<Scores> = properties.iter().map(|buckets| self.scores(buckets)).collect();
        let guess = best(&scores, &self.transitions);
        if guess == sentence.tags {
            return false;
        }
        let (mut right_before, mut wrong_before) = (OUTSIDE, OUTSIDE);
        for ((right, wrong), buckets) in sentence.tags.iter().zip(&guess).zip(&properties) {
            if right != wrong {
                buckets.iter().for_each(|bucket| self.move_row(*bucket, *right, *wrong));
            }
            if (right_before, right) != (wrong_before, wrong) {
                self.move_transition((right_before, *right), 1);
                self.move_transition((wrong_before, *wrong), -1);
            }
            (right_before, wrong_before) = (*right, *wrong);
        }
        true
    }

    fn scores(&self, buckets: &[u32; COUNT]) -> Scores {
        let mut scores = [0; TAGS];
        for bucket in buckets {
            scores.iter_mut().zip(self.rows[index(*bucket)]).for_each(|(score, weight)| *score += weight);
        }
        scores
    }

    fn move_row(&mut self, bucket: u32, right: usize, wrong: usize) {
        let bucket = index(bucket);
        self.rows[bucket][right] += 1;
        self.rows[bucket][wrong] -= 1;
        self.sums[bucket][right] += self.steps;
        self.sums[bucket][wrong] -= self.steps;
    }

    fn move_transition(&mut self, (last, next): (usize, usize), by: i32) {
        self.transitions[last][next] += by;
        self.transition_sums[last][next] += i64::from(by) * self.steps;
    }

    /// The average, in one byte for each weight.
    pub(crate) fn model(&self, outside: i32) -> Model {
        let average = |weight: i32, sum: i64| f64::from(weight) - precise(sum) / precise(self.steps);
        let averages = |row: &Scores, sums: &[i64; TAGS]| -> [f64; TAGS] {
            std::array::from_fn(|tag| average(row[tag], sums[tag]))
        };
        let rows: Vec<[f64; TAGS]> =
            self.rows.iter().zip(&self.sums).map(|(row, sums)| averages(row, sums)).collect();
        let mut sizes: Vec<f64> =
            rows.iter().flatten().map(|weight| weight.abs()).filter(|size| *size > 0.0).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        // The few weights beyond lose their tips; all others are told apart better for it.
        let scale = 127.0 / sizes[sizes.len() - 1 - sizes.len() / 2000];
        let transitions = std::array::from_fn(|last| {
            averages(&self.transitions[last], &self.transition_sums[last])
                .map(|weight| rounded(weight * scale))
        });
        let byte = |weight: f64| {
            i8::try_from(rounded((weight * scale).clamp(-127.0, 127.0))).expect("it is clamped")
        };
        Model::new(rows.iter().map(|row| row.map(byte)).collect(), transitions, outside)
    }
}

fn index(bucket: u32) -> usize {
    usize::try_from(bucket).expect("buckets are few")
}

/// Sums stay below 2^53: steps times updates.
#[expect(clippy::cast_precision_loss, reason = "sums of a training are far below 2^53")]
fn precise(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "weights are small")]
fn rounded(number: f64) -> i32 {
    number.round() as i32
}
