from pathlib import Path
def test_try(page, phone, watch, open_page):
    rows = ["Zeit;Leistung [kW]"]
    for d in (29, 30, 31):
        for h in range(24):
            rows += [f"{d:02}.03.2025 {h:02}:{m:02};{h*10+m/100:.2f}".replace(".25;","X").replace(".","#",0) for m in (0,15,30,45)]
    rows = [r[:r.index(";")] + ";" + r[r.index(";")+1:].replace(".", ",") if ";" in r and i else r for i, r in enumerate(rows)]
    rows[16] = rows[16].split(";")[0] + ";abc"
    f = Path("/tmp/ui/u3/mess.csv"); f.write_text("\n".join(rows))
    for p, name in ((page, "wide"), (phone, "phone"), (open_page(colours="dark"), "dark")):
        p.goto("/sensors/10/upload"); p.screenshot(path=f"/tmp/ui/u3/upload-{name}.png", full_page=True)
        p.get_by_label("File").set_input_files(f); p.get_by_role("button", name="Read the file").click()
        p.get_by_role("heading", name="Check and store").wait_for()
        p.screenshot(path=f"/tmp/ui/u3/check-{name}.png", full_page=True)
        p.get_by_text("forecast, all at one time").click()
        p.get_by_text("Say when").first.wait_for()
        p.screenshot(path=f"/tmp/ui/u3/check-wrong-{name}.png", full_page=True)
        p.get_by_text("measured, and known at").click()
        p.get_by_role("button", name="Leave out").click()
        p.get_by_role("heading", name="Stored").or_(p.get_by_role("heading", name="Nothing new")).wait_for()
        p.screenshot(path=f"/tmp/ui/u3/receipt-{name}.png", full_page=True)
