//! All routes, on one screen.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use warp::filters::BoxedFilter;
use warp::{Filter, path};

use super::resource::Resource;
use super::{
    Api, Call, Handled, Kind, Peer, Response, WayBack, classic, decisions, events, operations,
    page, requests, session,
};

/// The routes of contract version 1 over `api`, and the pages. Every call is answered, unknown paths included.
#[rustfmt::skip]
pub fn routes(api: &Api) -> BoxedFilter<(Response,)> {
    let table = [
        (plain(path!("v1" / "requests")), Resource::new()
            .post(|call, _| requests::ask(call).boxed())
            .get(|call, _| requests::list(call).boxed())),
        (path!("v1" / "requests" / String).boxed(), Resource::new()
            .get(|call, id| requests::read(call, id).boxed())
            .delete(|call, id| requests::cancel(call, id).boxed())),
        (path!("v1" / "requests" / String / "decision").boxed(), Resource::new()
            .post(|call, id| decisions::decide(call, id).boxed())
            .delete(|call, id| decisions::take_back(call, id).boxed())),
        (path!("v1" / "requests" / String / "consume").boxed(), Resource::new()
            .post(|call, id| decisions::consume(call, id).boxed())),
        (path!("v1" / "requests" / String / "seen").boxed(), Resource::new()
            .post(|call, id| decisions::seen(call, id).boxed())),
        (plain(path!("v1" / "events")), Resource::new()
            .get(|call, _| events::listen(call).boxed())),
        (plain(path!("v1" / "me")), Resource::new()
            .get(|call, _| now(operations::me(&call)))),
        (plain(path!("v1" / "session")), Resource::new()
            .post(|call, _| session::log_in(call).boxed())
            .delete(|call, _| now(session::log_out(&call)))),
        (plain(path!("livez")), Resource::new().of_any_host()
            .get(|_, _| now(Ok(operations::live())))),
        (plain(path!("readyz")), Resource::new().of_any_host()
            .get(|call, _| now(operations::ready(&call)))),
        (plain(path!("metrics")), Resource::new()
            .get(|call, _| operations::metrics(call).boxed())),
        (plain(path!("openapi.json")), Resource::new()
            .get(|_, _| now(Ok(operations::openapi())))),
        (plain(path::end()), Resource::new()
            .get(|call, _| now(Ok(page::inbox(&call))))),
        (path!("r" / String).boxed(), Resource::new()
            .get(|call, _| now(Ok(page::request(&call))))),
        (plain(path!("ask")), Resource::new()
            .get(|call, _| now(Ok(page::ask(&call))))),
        (plain(path!("login")), Resource::new()
            .get(|call, _| now(Ok(page::login(&call))))),
        (path!("assets" / String).boxed(), Resource::new()
            .get(|call, name| now(page::asset(&call, &name)))),
    ];
    let table = table.into_iter().chain(classic::routes(api));
    let of_classic = Kind::CLASSIC.iter().filter(|_| api.classic.is_some());
    let codes = Kind::ALL.iter().chain(of_classic).map(|kind| kind.row().1);
    api.metrics.expect_problems(codes);
    let call = call(api);
    let unknown = serve(plain(warp::any()), &call, Resource::nothing());
    table.rev().fold(unknown, |rest, (path, resource)| {
        serve(path, &call, resource).or(rest).unify().boxed()
    })
}

/// What needs no waiting.
fn now(handled: Handled) -> BoxFuture<'static, Handled> {
    ready(handled).boxed()
}

/// A path that names nothing.
pub(super) fn plain<F>(path: F) -> BoxedFilter<(String,)>
where
    F: Filter<Extract = ()> + Clone + Send + Sync + 'static,
    F::Error: Into<warp::Rejection>,
{
    path.map(String::new).boxed()
}

fn serve(
    path: BoxedFilter<(String,)>,
    call: &BoxedFilter<(Call,)>,
    resource: Resource,
) -> BoxedFilter<(Response,)> {
    path.and(call.clone())
        .then(move |id, call| resource.serve(call, id))
        .boxed()
}

/// What every handler gets of a call.
fn call(api: &Api) -> BoxedFilter<(Call,)> {
    let api = api.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let peer = warp::ext::get::<Peer>().and(warp::ext::optional::<WayBack>());
    let peer = peer.map(|peer, way_back| (peer, way_back));
    warp::any()
        .map(move || api.clone())
        .and(peer)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(query)
        .and(warp::body::stream())
        .map(Call::new)
        .boxed()
}
