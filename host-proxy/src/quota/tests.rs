use super::*;

fn account(requests: Option<u32>, bytes: Option<u64>) -> (Account, RateLimits) {
    (Account::default(), RateLimits { requests_per_minute: requests, bytes_per_day: bytes })
}

#[test]
fn no_minute_has_more_requests_than_the_limit() {
    let (mut account, limits) = account(Some(3), None);
    let start = Instant::now();
    let at = |seconds| Moment { instant: start + Duration::from_secs(seconds), time: Timestamp(0) };
    for second in [0, 30, 59] {
        assert_eq!(account.request(limits, at(second)), Ok(()));
    }
    assert_eq!(account.request(limits, at(59)), Err(Spent::Requests { limit: 3, wait: 2 }));
    assert_eq!(account.request(limits, at(60)), Ok(()));
    assert!(account.request(limits, at(61)).is_err(), "a refused request is not counted, and frees nothing");
    assert_eq!(account.request(limits, at(90)), Ok(()));
    assert!(account.requests.len() <= 3);
}

#[test]
fn a_day_has_its_bytes_and_the_next_day_has_them_again() {
    let quotas = Arc::new(Quotas::default());
    let budget = Budget { quotas: Arc::clone(&quotas), limit: Some(("r".into(), 10)) };
    let (morning, tomorrow) = (Timestamp(DAY), Timestamp(2 * DAY));
    assert_eq!(budget.spend(6, morning), Ok(()));
    assert_eq!(budget.spend(4, morning), Ok(()));
    assert_eq!(budget.spend(1, morning), Err(Spent::Bytes { limit: 10 }));
    let limits = RateLimits { requests_per_minute: None, bytes_per_day: Some(10) };
    let mut accounts = quotas.accounts();
    let account = accounts.get_mut("r").unwrap();
    let now = |time| Moment { instant: Instant::now(), time };
    assert!(account.request(limits, now(morning)).is_err());
    assert_eq!(account.request(limits, now(tomorrow)), Ok(()));
    drop(accounts);
    assert_eq!(budget.spend(10, tomorrow), Ok(()));
}

#[test]
fn without_limits_nothing_is_counted() {
    let quotas = Arc::new(Quotas::default());
    let budget = Budget { quotas: Arc::clone(&quotas), limit: None };
    assert_eq!(budget.spend(usize::MAX, Timestamp(0)), Ok(()));
    assert!(quotas.accounts().is_empty());
}
