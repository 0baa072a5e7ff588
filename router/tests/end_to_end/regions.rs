//! Where calls are served: in each record, and refused where it is not permitted or not known.

use serde_json::json;
use wire::router::{Api, Sensitive};

use crate::rig::{Plan, Rig, all};

async fn served(plan: Plan) -> Rig {
    let rig = Rig::start(plan).await;
    let reply = rig.chat("What is a microVM?").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_says_who_serves_and_where() {
    let rig = served(Plan { in_region: Some("eu-central-1"), ..Plan::default() }).await;
    for action in ["inference", "inference-outcome"] {
        let inference = &rig.record(action).await["inference"];
        assert_eq!(
            (&inference["server"], &inference["region"]),
            (&json!("cloud.test"), &json!("eu-central-1"))
        );
    }
    let unknown = served(Plan::default()).await.record("inference").await;
    assert_eq!(unknown["inference"]["server"], "cloud.test");
    assert!(unknown["inference"]["region"].is_null(), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_would_be_served_elsewhere_goes_nowhere() {
    for (in_region, named) in [(Some("us-east-1"), "us-east-1"), (None, "not known")] {
        let plan = Plan { in_region, regions: Some(&["eu", "us-west"]), ..Plan::default() };
        let rig = Rig::start(plan).await;
        // Neither what could go to the cloud, nor what must stay.
        for text in ["What is a microVM?", "pay 4111111111111111"] {
            let reply = rig.chat(text).await;
            assert_eq!(reply.status, 403, "{reply:?}");
            assert!(reply.body.contains("region-not-permitted") && reply.body.contains(named), "{reply:?}");
        }
        assert!(rig.seen_in_cloud().is_empty() && rig.seen_locally().is_empty());
        let record = rig.record("inference").await;
        assert_eq!((&record["decision"], &record["level"]), (&json!("deny"), &json!("region")));
        assert_eq!(
            (&record["rule"], &record["inference"]["route"]),
            (&json!("region-not-permitted"), &json!("refused"))
        );
        assert_eq!(record["inference"]["region"], in_region.map_or(json!(null), |region| json!(region)));
        assert!(record["reason"].as_str().unwrap().contains(named), "{record}");
    }
    served(Plan { in_region: Some("eu-west-3"), regions: Some(&["eu"]), ..Plan::default() }).await;
}

/// A call of Anthropic's API may ask for a region itself; then the operator's word for the server is not true of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_cannot_ask_to_be_served_elsewhere() {
    let plan = Plan {
        directive: all(Sensitive::Local),
        local: None,
        apis: [Api::Anthropic; 2],
        in_region: Some("eu"),
        regions: Some(&["eu"]),
        ..Plan::default()
    };
    let rig = Rig::start(plan).await;
    let call = |geography: Option<&str>| {
        let mut call =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
        if let Some(geography) = geography {
            call["inference_geo"] = geography.into();
        }
        call.to_string()
    };
    for geography in ["us", "global", "Nowhere!"] {
        assert_eq!(rig.post("/v1/messages", &call(Some(geography))).await.status, 403, "{geography}");
    }
    assert!(rig.seen_in_cloud().is_empty());
    assert_eq!(rig.post("/v1/messages", &call(None)).await.status, 200);
}
