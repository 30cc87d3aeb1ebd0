import pytest
from services.crypto.receipts import derive
from tests.intake.pages import Visitor, reply
pytestmark = pytest.mark.anyio
@pytest.fixture
def environment(environment, monkeypatch):
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS","0"); return environment
async def test_smoke(world, sql):
    v = Visitor(world)
    p = await v.file([("a.txt","text/plain",b"hello"),("b.mp4","video/mp4",b"x"*10000000)])
    code=p.code
    i = await v.inbox(code); print(i.words)
    e = await v.fill_report([("a.txt","text/plain",b"hello")], what="", year="1800", mode="anonymous", name="x"); print(e.status, e.words[:600])
    f = e.form("/report/sent"); print({k:v[:30] for k,v in f.items()})
    keep = [i for i in e.parsed.ids if i.startswith("keep-")]
    g = await v.send("/report/sent", {**f, **{"what":"x","year":"","name":"", keep[0]:"1", "category":"bribe-taking","sector":"health","amount_band":"to-100k","region":"710000000"}}, [("c","x/y",b"1")])
    print(g.status, g.words[:300])
    print(sql("select role,size,blob,number from intake.parts order by report_id, number"), sql("select count(*) from intake.drafts"), sql("select count(*) from intake.uploads"))
