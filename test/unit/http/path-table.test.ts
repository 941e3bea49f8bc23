import { expect } from 'chai';
import { loadContract } from '../../../src/http/index.ts';
import { PathTable } from '../../../src/http/path-table.ts';

describe('the table of paths', () => {
  const table = new PathTable<string>();
  for (const [method, path] of [['get', '/a/{b}'], ['put', '/a/{b}'], ['get', '/a/info'], ['get', '/a/{b}/c/{d}'], ['get', '/'], ['post', '/a/x/y']] as const) table.add(method, path, `${method} ${path}`);

  it('finds what is written out before what has a parameter', () => expect(table.find('GET', '/a/info')).to.deep.equal({ value: 'get /a/info', parameters: {} }));
  it('takes the parameter where what is written out has another method', () => expect(table.find('PUT', '/a/info')).to.deep.equal({ value: 'put /a/{b}', parameters: { b: 'info' } }));
  it('comes back from a word that leads nowhere', () => expect(table.find('GET', '/a/x/c/1')).to.deep.equal({ value: 'get /a/{b}/c/{d}', parameters: { b: 'x', d: '1' } }));
  it('decodes each parameter once', () => expect(table.find('GET', '/a/%40x%252F/c/a%2Fb')?.parameters).to.deep.equal({ b: '@x%2F', d: 'a/b' }));
  it('refuses a parameter that is not well encoded', () => expect(() => table.find('GET', '/a/%E0%A4')).to.throw(URIError));
  it('answers HEAD as GET', () => expect(table.find('HEAD', '/a/info')?.value).to.equal('get /a/info'));
  it('has nothing at a path with a slash at its end', () => expect(table.find('GET', '/a/info/')).to.equal(undefined));
  it('tells letters apart', () => expect(table.find('GET', '/A/info')).to.equal(undefined));
  it('takes no empty parameter', () => expect(table.methodsAt('/a/')).to.equal(undefined));
  it('does not mistake names that every object has for paths', () => expect(table.methodsAt('/constructor')).to.equal(undefined));
  it('tells the methods of a path', () => expect(table.methodsAt('/a/b')).to.deep.equal(['GET', 'PUT']));

  it('finds each operation of the document at its own path', () => {
    const { operations } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
    const whole = new PathTable<string>();
    for (const { id, method, path } of operations) whole.add(method, path, id);
    const lost = operations.filter(({ id, method, path }) => whole.find(method.toUpperCase(), path.replace(/[{}]/g, ''))?.value !== id);
    expect(lost.map(({ id }) => id)).to.deep.equal([]);
  });
});
