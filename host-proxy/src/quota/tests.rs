use super::*;

fn limits(requests_per_minute: Option<u32>, bytes_per_day: Option<u64>) -> RateLimits {
    RateLimits { requests: None, requests_per_minute, bytes_per_day }
}

fn quotas() -> Arc<Quotas> {
    Arc::new(Quotas::new(Teller::channel().0))
}

fn exceeded(rule: &str, spent: Spent) -> Exceeded {
    Exceeded { rule: rule.into(), spent }
}

#[test]
fn no_minute_has_more_requests_than_the_limit() {
    let quotas = quotas();
    let start = Instant::now();
    let ask = |seconds| {
        let now = Moment { instant: start + Duration::from_secs(seconds), time: Timestamp(0) };
        quotas.count(vec![("r", limits(Some(3), None))], now).map(drop)
    };
    for second in [0, 30, 59] {
        assert_eq!(ask(second), Ok(()));
    }
    assert_eq!(ask(59), Err(exceeded("r", Spent::Requests { limit: 3, wait: 2 })));
    assert_eq!(ask(60), Ok(()));
    assert!(ask(61).is_err(), "a refused request is not counted, and frees nothing");
    assert_eq!(ask(90), Ok(()));
    assert!(quotas.accounts()["r"].requests.len() <= 3);
}

#[test]
fn a_day_has_its_bytes_and_the_next_day_has_them_again() {
    let quotas = quotas();
    let ask = |time| {
        let now = Moment { instant: Instant::now(), time };
        quotas.count(vec![("r", limits(None, Some(10)))], now)
    };
    let (morning, tomorrow) = (Timestamp(DAY), Timestamp(2 * DAY));
    let budget = ask(morning).unwrap();
    assert_eq!(budget.spend(6, morning), Ok(()));
    assert_eq!(budget.spend(4, morning), Ok(()));
    assert_eq!(budget.spend(1, morning), Err(Spent::Bytes { limit: 10 }));
    assert_eq!(ask(morning).unwrap_err(), exceeded("r", Spent::Bytes { limit: 10 }));
    assert_eq!(ask(tomorrow).unwrap().spend(10, tomorrow), Ok(()));
}

#[test]
fn a_request_counts_for_every_rule_that_allows_it_or_for_none() {
    let quotas = quotas();
    let now = Moment { instant: Instant::now(), time: Timestamp(0) };
    let (wide, narrow) = (("wide", limits(Some(2), Some(100))), ("narrow", limits(Some(1), Some(10))));
    let budget = quotas.count(vec![wide, narrow], now).unwrap();
    let one_too_many = exceeded("narrow", Spent::Requests { limit: 1, wait: 61 });
    assert_eq!(quotas.count(vec![wide, narrow], now).unwrap_err(), one_too_many);
    assert!(quotas.count(vec![wide], now).is_ok(), "the refused request was counted for 'wide'");
    assert_eq!(budget.spend(11, now.time), Err(Spent::Bytes { limit: 10 }));
    assert_eq!(quotas.accounts()["wide"].bytes, 11);
}

#[test]
fn without_limits_nothing_is_counted() {
    let quotas = quotas();
    let budget = Budget { quotas: Arc::clone(&quotas), limits: Vec::new(), last: Vec::new() };
    assert_eq!(budget.spend(usize::MAX, Timestamp(0)), Ok(()));
    assert!(quotas.accounts().is_empty());
}

#[test]
fn the_last_request_of_a_rule_is_told_when_it_is_over_and_not_before() {
    let (teller, mut told) = Teller::channel();
    let quotas = Arc::new(Quotas::new(teller));
    let now = Moment { instant: Instant::now(), time: Timestamp(0) };
    let twice = RateLimits { requests: Some(2), ..RateLimits::default() };
    let ask = || quotas.count(vec![("r", twice)], now);
    drop(ask().unwrap());
    let last = ask().unwrap();
    for _more in 0..8 {
        assert_eq!(ask().unwrap_err(), exceeded("r", Spent::All { limit: 2 }));
    }
    let elsewhere = last.clone();
    drop(last);
    assert!(told.try_recv().is_err(), "it goes on");
    drop(elsewhere);
    assert_eq!(told.try_recv().unwrap(), ProxyEvent::RuleSpent { rule: "r".to_owned() });
    assert!(ask().is_err() && told.try_recv().is_err(), "told once");
}
