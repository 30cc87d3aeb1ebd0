import time, pytest
from tests.intake.test_uploads_server import *
from tests.intake.conftest import *
@pytest.mark.parametrize("mode", ["sealed","plain"])
async def test_speed(apps, environment, tmp_path, sql, mode):
    server = Process({**environment, "ADAL_INTAKE_BLOBS_FOLDER": str(tmp_path / "blobs")}, tmp_path / "output")
    server.start()
    data = noise(1 << 20)*256
    u = Remote(server, mode, len(data))
    t=time.time(); s=u.begin(0,len(data)); s.sendall(data); a=time.time()-t
    print(s.recv(200)[:20], len(data)/1e6/(time.time()-t), "MB/s")
    server.stop()
