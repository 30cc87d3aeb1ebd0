import pytest, re
pytestmark = pytest.mark.anyio
async def test_smoke(http):
    r = await http.get("/", headers={"Accept-Language": "ru"})
    print(r.status_code, r.headers)
    for p in ("/en/", "/en/report", "/en/inbox", "/en/report/sent", "/en/none"):
        r = await http.get(p); print(p, r.status_code)
        if p=="/en/report": print(r.text[:6000]); print(len(r.text))
