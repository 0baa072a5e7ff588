use super::*;

fn limits(requests_per_minute: Option<u32>, bytes_per_day: Option<u64>) -> RateLimits {
    RateLimits { requests_per_minute, bytes_per_day }
}

fn exceeded(rule: &str, spent: Spent) -> Exceeded {
    Exceeded { rule: rule.into(), spent }
}

#[test]
fn no_minute_has_more_requests_than_the_limit() {
    let quotas = Arc::new(Quotas::default());
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
    let quotas = Arc::new(Quotas::default());
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
    let quotas = Arc::new(Quotas::default());
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
    let quotas = Arc::new(Quotas::default());
    let budget = Budget { quotas: Arc::clone(&quotas), limits: Vec::new() };
    assert_eq!(budget.spend(usize::MAX, Timestamp(0)), Ok(()));
    assert!(quotas.accounts().is_empty());
}
