use super::*;

const NOON: u64 = 20_000 * DAY + DAY / 2;

fn account(limits: Limits) -> Arc<Account> {
    Arc::new(Account { zone: Zone::Cloud, limits, counts: Mutex::default() })
}

fn estimate(body: &str, endpoint: Endpoint) -> Estimate {
    Estimate::of(&Call::read(endpoint, body.as_bytes()).unwrap(), body.len(), true)
}

fn charged(account: &Arc<Account>, prompt: u64, answer: u64) -> Result<Charge, Spent> {
    let estimate = Estimate { prompt, answer };
    account.charge(estimate, Instant::now(), now())?;
    Ok(Charge { account: Arc::clone(account), estimate, due: 0 })
}

fn observed(tokens: (Option<u64>, Option<u64>), events: u64) -> Observed {
    Observed { tokens_in: tokens.0, tokens_out: tokens.1, events, bytes: 1 << 20, ..Observed::default() }
}

#[test]
fn calls_are_counted_over_the_minute_that_ends_now() {
    let account = account(Limits { requests_per_minute: Some(2), ..Limits::default() });
    let (start, some) = (Instant::now(), Estimate { prompt: 9, answer: 9 });
    let at = |second| account.charge(some, start + Duration::from_secs(second), NOON);
    assert_eq!((at(0), at(50)), (Ok(()), Ok(())));
    assert_eq!(at(55), Err(Spent::Calls { zone: Zone::Cloud, limit: 2, wait: 6 }));
    assert_eq!(at(61), Ok(()));
    assert!(at(62).is_err());
}

#[test]
fn calls_under_way_cannot_go_over_together() {
    let account = account(Limits { tokens: Some(100), ..Limits::default() });
    let mut first = charged(&account, 10, 50).unwrap();
    first.sent();
    let refused = |left, asked, more| Spent::Tokens {
        zone: Zone::Cloud,
        limit: 100,
        span: Span::Life,
        left,
        asked,
        more,
    };
    assert_eq!(charged(&account, 40, 1).unwrap_err(), refused(40, 41, More::WithOthers));
    assert_eq!(charged(&account, 40, 61).unwrap_err(), refused(40, 101, More::Never));
    drop(charged(&account, 40, 0).unwrap());
    first.answered(&observed((Some(10), Some(5)), 0), true);
    drop(first);
    assert_eq!(account.counts().spent, 15, "what was not used is given back");
    assert!(charged(&account, 85, 0).is_ok() && charged(&account, 86, 0).is_err());
}

#[test]
fn what_the_server_does_not_count_is_what_it_may_be() {
    let account = account(Limits { tokens: Some(10_000), ..Limits::default() });
    let spent = |answer, then: &dyn Fn(&mut Charge)| {
        let before = account.counts().spent;
        let mut charge = charged(&account, 10, answer).unwrap();
        charge.sent();
        then(&mut charge);
        drop(charge);
        account.counts().spent - before
    };
    assert_eq!(spent(90, &|_left| {}), 100, "its reader left before there was an answer");
    assert_eq!(
        spent(90, &|charge| charge.answered(&observed((None, None), 7), true)),
        100,
        "a stream says nothing"
    );
    assert_eq!(spent(90, &|charge| charge.answered(&observed((None, None), 200), true)), 210, "more came");
    // Anthropic's streams begin with the tokens of the prompt and one of the answer.
    assert_eq!(
        spent(90, &|charge| charge.answered(&observed((Some(4), Some(1)), 9), false)),
        94,
        "it was left"
    );
    assert_eq!(spent(90, &|charge| charge.answered(&observed((Some(4), Some(1)), 9), true)), 5);
    assert_eq!(
        spent(0, &|charge| charge.answered(&observed((Some(8), None), 0), true)),
        8,
        "vectors are no tokens"
    );
    assert_eq!(spent(90, &Charge::nothing), 0);
}

#[test]
fn a_day_ends_and_a_life_does_not() {
    let account = account(Limits { tokens_per_day: Some(50), tokens: Some(80), ..Limits::default() });
    let at = |prompt, seconds| account.charge(Estimate { prompt, answer: 0 }, Instant::now(), seconds);
    at(50, NOON).unwrap();
    account.settle(50, 50, NOON);
    let Err(Spent::Tokens { more, left, .. }) = at(1, NOON) else { panic!("it is spent") };
    assert_eq!((more, left), (More::Tomorrow(DAY / 2), 0));
    assert!(at(1, NOON - 2 * DAY).is_err(), "a clock that is set back gives none");
    assert_eq!(at(30, NOON - DAY), Ok(()), "and goes on from there");
    account.settle(30, 30, NOON - DAY);
    let Err(Spent::Tokens { span, more, .. }) = at(1, NOON) else { panic!("all are spent") };
    assert_eq!((span, more), (Span::Life, More::Never));
}

#[test]
fn a_call_may_come_to_what_it_asks_for() {
    let chat = |rest: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{rest}}}"#);
        estimate(&body, Endpoint::ChatCompletions).answer
    };
    assert_eq!(chat(""), ANSWER);
    assert_eq!(chat(r#","max_tokens":null"#), ANSWER);
    assert_eq!(chat(r#","max_tokens":5,"max_completion_tokens":8"#), 8, "whichever the server heeds");
    assert_eq!(chat(r#","max_tokens":5,"n":3"#), 15);
    for odd in ["18446744073709551615", "1e6", "100.0", "-1"] {
        assert_eq!(chat(&format!(r#","max_tokens":{odd},"n":3"#)), u64::MAX, "{odd}");
    }
    let completion = |prompt: &str| {
        let body = format!(r#"{{"model":"m","max_tokens":10,"prompt":{prompt}}}"#);
        estimate(&body, Endpoint::Completions).answer
    };
    assert_eq!([r#""a""#, r#"["a","b"]"#, "[1,2,3]", "[[1],[1],[1]]"].map(completion), [10, 20, 10, 30]);
    assert_eq!(
        estimate(r#"{"model":"m","input":"x"}"#, Endpoint::Embeddings),
        Estimate { prompt: 13, answer: 0 }
    );
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(estimate(body, Endpoint::CountTokens), Estimate::NOTHING);
    let counted = Call::read(Endpoint::CountTokens, body.as_bytes()).unwrap();
    assert_eq!(Estimate::of(&counted, 100, false), Estimate { prompt: 50, answer: 1 }, "a model is asked");
}
